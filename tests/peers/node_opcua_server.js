// An OPC UA server on node-opcua, to test our driver against a stack that is not ours.
//
//     node node_opcua_server.js PORT FOLDER NODES
//
// FOLDER: see node_opcua_kit.js. NODES is JSON: {"name": ["Double", 20.5, writable]}; they become
// ns=1;s=name. Says «ready» when it listens, and «write NAME VALUE» for each write.
"use strict";
const kit = require("./node_opcua_kit.js");

const [port, folder, nodes] = process.argv.slice(2);

kit.run(async () => {
  const server = await kit.server(port, folder);
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
    variable.on("value_changed", (now) => {
      console.log(`write ${name} ${now.value.value}`);
    });
  }
  await server.start();
});
