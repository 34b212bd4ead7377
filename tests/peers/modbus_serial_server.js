// A Modbus TCP server on modbus-serial, to test our driver against a stack that is not ours.
//
//     node modbus_serial_server.js PORT TABLE:ADDRESS=VALUE ...
//
// Says «ready» when it listens, and «write FUNCTION ADDRESS» for each write that it carried out.
"use strict";
const { ServerTCP } = require("modbus-serial");

const [port, ...words] = process.argv.slice(2);
const tables = { coil: new Map(), discrete: new Map(), holding: new Map(), input: new Map() };
for (let address = 0; address < 64; address++)
  for (const table of Object.values(tables)) table.set(address, 0);
for (const word of words) {
  const [, table, address, value] = /^(\w+):(\d+)=(\d+)$/.exec(word);
  tables[table].set(Number(address), Number(value));
}

function at(table, address) {
  if (!tables[table].has(address)) throw { modbusErrorCode: 2, msg: "no such address" };
  return tables[table].get(address);
}
function put(table, address, value, code) {
  at(table, address);
  tables[table].set(address, value);
  console.log(`write ${code} ${address}`);
}
const server = new ServerTCP(
  {
    getCoil: (address) => Boolean(at("coil", address)),
    getDiscreteInput: (address) => Boolean(at("discrete", address)),
    getHoldingRegister: (address) => at("holding", address),
    getInputRegister: (address) => at("input", address),
    setCoil: (address, value) => put("coil", address, Number(value), 5),
    setRegister: (address, value) => put("holding", address, value, 6),
  },
  { host: "127.0.0.1", port: Number(port), unitID: 1 },
);
server.on("initialized", () => console.log("ready"));
server.on("socketError", () => {});
