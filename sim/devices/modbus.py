"""A device's registers behind a real Modbus TCP server (pymodbus 3.16)."""

from __future__ import annotations

import struct
from typing import cast

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.register_message import (
    MaskWriteRegisterRequest,
    ReadWriteMultipleRegistersRequest,
)
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from pymodbus.simulator.simcore import SimCore

from facility.points import Table
from facility.site import Device
from sim.devices.registers import RegisterMap
from sim.recorder import Recorder

WRITES = frozenset({5, 6, 15, 16, 22, 23})
"""The functions of Modbus that write coils or registers."""
_BIT_TABLES = {1: Table.COIL, 2: Table.DISCRETE}
_REGISTER_TABLES = {3: Table.HOLDING, 4: Table.INPUT}


class _Store(SimCore):
    """What pymodbus asks for values; the library's own memory is not used."""

    def __init__(self, unit_id: int, registers: RegisterMap) -> None:
        super().__init__(SimDevice(unit_id, SimData(0, datatype=DataType.REGISTERS)))
        self._unit_id, self._registers = unit_id, registers
        self._echo: list[int] | list[bool] = []

    async def async_getValues(
        self, device_id: int, func_code: int, address: int, count: int = 1
    ) -> list[int] | list[bool] | ExcCodes:
        self._check(device_id)
        if address + count > 0x10000:
            return ExcCodes.ILLEGAL_ADDRESS
        if func_code in (5, 6):  # the reply to a single write repeats it
            return self._echo
        if func_code in _BIT_TABLES:
            bits = self._registers.read_bits(_BIT_TABLES[func_code], address, count)
            return bits if isinstance(bits, list) else ExcCodes(bits)
        if func_code not in _REGISTER_TABLES:
            return ExcCodes.ILLEGAL_FUNCTION
        wire = self._registers.read(_REGISTER_TABLES[func_code], address, count)
        if not isinstance(wire, bytes):
            return ExcCodes(wire)
        return list(struct.unpack(f">{count}H", wire))

    async def async_setValues(
        self, device_id: int, func_code: int, address: int, values: list[int] | list[bool]
    ) -> ExcCodes | None:
        self._check(device_id)
        self._echo = values
        if func_code in (5, 15):
            refusal = self._registers.write_bits(address, cast(list[bool], values))
        elif func_code in (6, 16):
            refusal = self._registers.write(func_code, address, cast(list[int], values))
        else:
            return ExcCodes.ILLEGAL_FUNCTION
        return None if refusal is None else ExcCodes(refusal)

    def _check(self, device_id: int) -> None:
        if device_id != self._unit_id:
            raise NoSuchIdException("no such unit")


class ModbusServer:
    """One device's Modbus TCP server.

    Answers as small controllers do: exception 2 to an unknown register, 3 to a value that
    it cannot take, 1 to a function that it does not have (22 and 23 among them) or that is
    not the point's own, and 11 to another unit id.
    """

    def __init__(self, device: Device, registers: RegisterMap, recorder: Recorder) -> None:
        self._device, self._registers, self._recorder = device, registers, recorder
        self._server: ModbusTcpServer | None = None

    async def start(self) -> None:
        """Listen on the device's address.

        Raises
        ------
        OSError
            The address cannot be bound.
        """
        address = (self._device.host, self._device.port)
        store = _Store(self._device.unit_id, self._registers)
        server = ModbusTcpServer(
            SimDevice(self._device.unit_id, SimData(0, datatype=DataType.REGISTERS)),
            address=address,
            trace_pdu=self._trace,
        )
        server.context = store
        if not await server.listen():
            raise OSError(f"device {self._device.id}: cannot listen on {address[0]}:{address[1]}")
        self._server = server

    def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None

    @property
    def connections(self) -> int:
        """Clients connected now."""
        return 0 if self._server is None else len(self._server.active_connections)

    def _trace(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        """Count requests to write before they are judged, and record those that never are."""
        if sending or pdu.function_code not in WRITES:
            return pdu
        self._recorder.request(self._device.id)
        if isinstance(pdu, MaskWriteRegisterRequest):
            masks = struct.pack(">HH", pdu.and_mask, pdu.or_mask)
            self._registers.refuse_function(Table.HOLDING, pdu.address, masks)
        elif isinstance(pdu, ReadWriteMultipleRegistersRequest):
            values = struct.pack(f">{len(pdu.write_registers)}H", *pdu.write_registers)
            self._registers.refuse_function(Table.HOLDING, pdu.write_address, values)
        return pdu
