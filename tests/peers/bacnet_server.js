// A BACnet/IP device on @bacnet-js/client, to test our driver against a stack that is not ours.
//
//     node bacnet_server.js PORT TYPE:INSTANCE=VALUE ...
//
// Types are those of the stack's enumeration (2 is an analog value). Objects of type 2 and 5 can
// be commanded and keep a priority array. A request that names an unknown object is answered
// with an error for that object alone. Says «ready» when it listens, and «write TYPE:INSTANCE
// PRIORITY VALUE» for each write that it carried out.
"use strict";
const { default: Bacnet, ...bacnet } = require("@bacnet-js/client");
const { ApplicationTag, ErrorClass, ErrorCode, ObjectType, PropertyIdentifier, Segmentation } =
  bacnet;

const DEVICE = 8;
const INSTANCE = 7;
const COMMANDABLE = [2, 5];
const [port, ...words] = process.argv.slice(2);
const objects = new Map();
for (const word of words) {
  const [name, value] = word.split("=");
  objects.set(name, { preset: Number(value), slots: new Array(16).fill(null) });
}
const client = new Bacnet({ port: Number(port), interface: "127.0.0.1" });

function present(object) {
  const slot = object.slots.find((value) => value !== null);
  return slot === undefined ? object.preset : slot;
}

function tagged(type, value) {
  if ([0, 1, 2].includes(type)) return [{ type: ApplicationTag.REAL, value }];
  if ([3, 4, 5].includes(type)) return [{ type: ApplicationTag.ENUMERATED, value }];
  return [{ type: ApplicationTag.UNSIGNED_INTEGER, value }];
}

function identifier(type, instance) {
  return { type: ApplicationTag.OBJECTIDENTIFIER, value: { type, instance } };
}

function refusal(errorClass, errorCode) {
  return [{ type: ApplicationTag.ERROR, value: { type: "BacnetError", errorClass, errorCode } }];
}

function read(objectId, property) {
  const { type, instance } = objectId;
  if (type === DEVICE && instance === INSTANCE) {
    if (property.id === PropertyIdentifier.MAX_APDU_LENGTH_ACCEPTED)
      return [{ type: ApplicationTag.UNSIGNED_INTEGER, value: 1476 }];
    if (property.id === PropertyIdentifier.OBJECT_IDENTIFIER) return [identifier(DEVICE, INSTANCE)];
    if (property.id === PropertyIdentifier.OBJECT_LIST) {
      const list = [[DEVICE, INSTANCE], ...[...objects.keys()].map((name) => name.split(":").map(Number))];
      if (property.index === 0)
        return [{ type: ApplicationTag.UNSIGNED_INTEGER, value: list.length }];
      const one = list[property.index - 1];
      return one ? [identifier(...one)] : refusal(ErrorClass.PROPERTY, ErrorCode.INVALID_ARRAY_INDEX);
    }
    return refusal(ErrorClass.PROPERTY, ErrorCode.UNKNOWN_PROPERTY);
  }
  const object = objects.get(`${type}:${instance}`);
  if (!object) return refusal(ErrorClass.OBJECT, ErrorCode.UNKNOWN_OBJECT);
  if (property.id === PropertyIdentifier.PRESENT_VALUE) return tagged(type, present(object));
  if (property.id === PropertyIdentifier.OBJECT_NAME)
    return [{ type: ApplicationTag.CHARACTER_STRING, value: `object ${type}:${instance}` }];
  if (property.id === PropertyIdentifier.UNITS && type < 3)
    return [{ type: ApplicationTag.ENUMERATED, value: 62 }];
  if (property.id === PropertyIdentifier.PRIORITY_ARRAY && property.index === 0 && COMMANDABLE.includes(type))
    return [{ type: ApplicationTag.UNSIGNED_INTEGER, value: 16 }];
  if (property.id === PropertyIdentifier.STATUS_FLAGS)
    return [{ type: ApplicationTag.BIT_STRING, value: { value: [0], bitsUsed: 4 } }];
  return refusal(ErrorClass.PROPERTY, ErrorCode.UNKNOWN_PROPERTY);
}

client.on("readPropertyMultiple", ({ payload, header, invokeId }) => {
  const answers = payload.properties.map(({ objectId, properties }) => ({
    objectId,
    values: properties.map((property) => ({ property, value: read(objectId, property) })),
  }));
  client.readPropertyMultipleResponse(header.sender, invokeId, answers);
});

client.on("writeProperty", ({ payload, header, invokeId, service }) => {
  const { objectId, value } = payload;
  const name = `${objectId.type}:${objectId.instance}`;
  const object = objects.get(name);
  if (!object || !COMMANDABLE.includes(objectId.type)) {
    const code = object ? ErrorCode.WRITE_ACCESS_DENIED : ErrorCode.UNKNOWN_OBJECT;
    client.errorResponse(header.sender, service, invokeId, ErrorClass.PROPERTY, code);
    return;
  }
  const written = value.value[0].type === ApplicationTag.NULL ? null : value.value[0].value;
  object.slots[value.priority - 1] = written;
  console.log(`write ${name} ${value.priority} ${written}`);
  client.simpleAckResponse(header.sender, service, invokeId);
});

client.on("whoIs", ({ header }) => {
  client.iAmResponse(header.sender, INSTANCE, Segmentation.NO_SEGMENTATION, 0);
});

client.on("error", (error) => console.error(error));
client.on("listening", () => console.log("ready"));
