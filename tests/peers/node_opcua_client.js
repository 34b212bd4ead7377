// An OPC UA client on node-opcua: reads nodes of a server, and writes and reads one of them.
//
//     node node_opcua_client.js URL POLICY FOLDER NODE=VALUE NODE ...
//
// Trusts the certificates in FOLDER/trusted. Prints JSON: {NODE: [status, value]} after the write.
"use strict";
const fs = require("fs");
const path = require("path");
const opcua = require("node-opcua");

const [url, policy, folder, ...words] = process.argv.slice(2);

async function main() {
  const manager = new opcua.OPCUACertificateManager({
    rootFolder: path.join(folder, "client"),
    automaticallyAcceptUnknownCertificate: false,
  });
  await manager.initialize();
  for (const name of fs.readdirSync(path.join(folder, "trusted")))
    await manager.trustCertificate(fs.readFileSync(path.join(folder, "trusted", name)));
  const client = opcua.OPCUAClient.create({
    applicationName: "peer",
    securityMode: opcua.MessageSecurityMode.SignAndEncrypt,
    securityPolicy: opcua.SecurityPolicy[policy],
    clientCertificateManager: manager,
    endpointMustExist: false,
    connectionStrategy: { maxRetry: 0 },
  });
  await client.connect(url);
  const session = await client.createSession();
  const found = {};
  for (const word of words) {
    const [, nodeId, value] = /^(.*?;s=[^=]*?)(?:=(.*))?$/.exec(word);
    if (value !== undefined) {
      const { dataType } = (await session.read({ nodeId })).value;
      const status = await session.write({
        nodeId,
        attributeId: opcua.AttributeIds.Value,
        value: { value: { dataType, value: Number(value) } },
      });
      found[`${nodeId} written`] = status.name;
    }
    const read = await session.read({ nodeId });
    found[nodeId] = [read.statusCode.name, read.value.value];
  }
  console.log(JSON.stringify(found));
  await session.close();
  await client.disconnect();
}
main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
