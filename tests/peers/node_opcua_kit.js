// A node-opcua server with security, for the programs beside this one.
//
// FOLDER holds server.der, server.key.pem and trusted/ (clients whom it trusts). The user
// «ada» has the password «difference».
"use strict";
const fs = require("fs");
const path = require("path");
const opcua = require("node-opcua");

exports.server = async function server(port, folder) {
  const certificates = new opcua.OPCUACertificateManager({
    rootFolder: path.join(folder, "manager"),
    automaticallyAcceptUnknownCertificate: false,
  });
  await certificates.initialize();
  for (const name of fs.readdirSync(path.join(folder, "trusted")))
    await certificates.trustCertificate(fs.readFileSync(path.join(folder, "trusted", name)));
  const { MessageSecurityMode, SecurityPolicy } = opcua;
  const made = new opcua.OPCUAServer({
    port: Number(port),
    host: "127.0.0.1",
    hostname: "127.0.0.1",
    certificateFile: path.join(folder, "server.der"),
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
  await made.initialize();
  return made;
};

// Runs `main`, says «ready» when it is done and ends the process where it fails.
exports.run = function run(main) {
  main()
    .then(() => console.log("ready"))
    .catch((error) => {
      console.error(error);
      process.exit(1);
    });
};
