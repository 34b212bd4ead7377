// An OPC UA server on node-opcua whose every value is the second of its clock (POSIX).
//
//     node node_opcua_clock.js PORT FOLDER COUNT
//
// FOLDER: see node_opcua_kit.js. The nodes are ns=1;s=p0 to p(COUNT-1), Double. Says «ready» when it
// listens.
"use strict";
const opcua = require("node-opcua");
const kit = require("./node_opcua_kit.js");

const [port, folder, count] = process.argv.slice(2);
let now = { second: 0, value: null };

function value() {
  const second = Math.floor(Date.now() / 1000);
  if (second !== now.second) {
    const variant = new opcua.Variant({ dataType: "Double", value: second });
    const timestamp = new Date();
    now = { second, value: new opcua.DataValue({ value: variant, sourceTimestamp: timestamp }) };
  }
  return now.value;
}

kit.run(async () => {
  const server = await kit.server(port, folder);
  const space = server.engine.addressSpace;
  const own = space.getOwnNamespace();
  for (let i = 0; i < Number(count); i++) {
    own.addVariable({
      organizedBy: space.rootFolder.objects,
      nodeId: `s=p${i}`,
      browseName: `p${i}`,
      dataType: "Double",
      minimumSamplingInterval: 100,
      value: { timestamped_get: value },
    });
  }
  await server.start();
});
