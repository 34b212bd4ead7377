// An OPC UA server on node-opcua, to test our driver against a stack that is not ours.
//
//     node node_opcua_server.js PORT FOLDER NODES
//
// FOLDER holds server.crt.pem, server.key.pem and trusted/certs (clients whom it trusts).
// NODES is JSON: {"name": ["Double", 20.5, writable]}; they become ns=1;s=name. The user «ada»
// has the password «difference». Says «ready» when it listens, and «write NAME VALUE» for
// each write.
"use strict";
const path = require("path");
const opcua = require("node-opcua");

const [port, folder, nodes] = process.argv.slice(2);

async function main() {
  const certificates = new opcua.OPCUACertificateManager({
    rootFolder: path.join(folder, "manager"),
    automaticallyAcceptUnknownCertificate: false,
  });
  await certificates.initialize();
  const fs = require("fs");
  for (const name of fs.readdirSync(path.join(folder, "trusted")))
    await certificates.trustCertificate(fs.readFileSync(path.join(folder, "trusted", name)));
  const { MessageSecurityMode, SecurityPolicy } = opcua;
  const server = new opcua.OPCUAServer({
    port: Number(port),
    host: "127.0.0.1",
    hostname: "127.0.0.1",
    certificateFile: path.join(folder, "server.crt.pem"),
    privateKeyFile: path.join(folder, "server.key.pem"),
    serverInfo: { applicationUri: "urn:test:peer" },
    serverCertificateManager: certificates,
    userCertificateManager: certificates,
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
    securityPolicies: [
      SecurityPolicy.None,
      SecurityPolicy.Basic256Sha256,
      SecurityPolicy.Aes256_Sha256_RsaPss,
    ],
    allowAnonymous: true,
    userManager: { isValidUser: (user, password) => user === "ada" && password === "difference" },
    disableDiscovery: true,
    registerServerMethod: opcua.RegisterServerMethod.HIDDEN,
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const own = space.getOwnNamespace();
  for (const [name, [dataType, value, writable]] of Object.entries(JSON.parse(nodes))) {
    const variable = own.addVariable({
      organizedBy: space.rootFolder.objects,
      nodeId: `s=${name}`,
      browseName: name,
      dataType,
      minimumSamplingInterval: 100,
      accessLevel: writable ? "CurrentRead | CurrentWrite" : "CurrentRead",
      userAccessLevel: writable ? "CurrentRead | CurrentWrite" : "CurrentRead",
    });
    variable.setValueFromSource({ dataType, value });
    let first = true;
    variable.on("value_changed", (now) => {
      console.log(`write ${name} ${now.value.value}`);
    });
  }
  await server.start();
  console.log("ready");
}
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
