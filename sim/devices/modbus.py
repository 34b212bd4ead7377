"""A device's registers behind a real Modbus TCP server (pymodbus 3.16)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import cast

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.register_message import (
    MaskWriteRegisterRequest,
    ReadWriteMultipleRegistersRequest,
)
from pymodbus.server import ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice
from pymodbus.simulator.simcore import SimCore

from facility.points import Table
from sim.devices.registers import RegisterMap
from sim.recorder import Recorder

WRITES = frozenset({5, 6, 15, 16, 22, 23})
"""The functions of Modbus that write coils or registers."""
_BIT_TABLES = {1: Table.COIL, 2: Table.DISCRETE}
_REGISTER_TABLES = {3: Table.HOLDING, 4: Table.INPUT}


class _Store(SimCore):
    """What pymodbus asks for values; the library's own memory is not used."""

    def __init__(self, units: Mapping[int, RegisterMap]) -> None:
        super().__init__([_unused(unit_id) for unit_id in units])
        self._units = units
        self._echo: list[int] | list[bool] = []

    async def async_getValues(
        self, device_id: int, func_code: int, address: int, count: int = 1
    ) -> list[int] | list[bool] | ExcCodes:
        registers = self._unit(device_id)
        if address + count > 0x10000:
            return ExcCodes.ILLEGAL_ADDRESS
        if func_code in (5, 6):  # the reply to a single write repeats it
            return self._echo
        if func_code in _BIT_TABLES:
            bits = registers.read_bits(_BIT_TABLES[func_code], address, count)
            return bits if isinstance(bits, list) else ExcCodes(bits)
        if func_code not in _REGISTER_TABLES:
            return ExcCodes.ILLEGAL_FUNCTION
        wire = registers.read(_REGISTER_TABLES[func_code], address, count)
        if not isinstance(wire, bytes):
            return ExcCodes(wire)
        return list(struct.unpack(f">{count}H", wire))

    async def async_setValues(
        self, device_id: int, func_code: int, address: int, values: list[int] | list[bool]
    ) -> ExcCodes | None:
        registers = self._unit(device_id)
        self._echo = values
        if func_code in (5, 15):
            refusal = registers.write_bits(address, cast(list[bool], values))
        elif func_code in (6, 16):
            refusal = registers.write(func_code, address, cast(list[int], values))
        else:
            return ExcCodes.ILLEGAL_FUNCTION
        return None if refusal is None else ExcCodes(refusal)

    def _unit(self, device_id: int) -> RegisterMap:
        if (registers := self._units.get(device_id)) is None:
            raise NoSuchIdException("no such unit")
        return registers


def _unused(unit_id: int) -> SimDevice:
    """Pymodbus wants memory of its own for each unit."""
    return SimDevice(unit_id, SimData(0, datatype=DataType.REGISTERS))


class _Handler(ServerRequestHandler):
    """One client's requests, answered in the turn of the event loop that received them.

    The library schedules each answer through its thread-safe queue: another turn of the loop
    and a system call for a wake-up nobody needs, half of the cost of a request. Nothing waits
    between a request and its answer here, so it is run at once.
    """

    def handle_later(self) -> None:
        answer = self.handle_request()  # type: ignore[no-untyped-call]  # bare in the library
        try:
            answer.send(None)
        except StopIteration:
            return
        raise RuntimeError("a request to a simulated device waited for something")


class _Listener(ModbusTcpServer):
    def callback_new_connection(self) -> ServerRequestHandler:
        return _Handler(  # type: ignore[no-untyped-call]  # bare in the library
            self, self.trace_packet, self.trace_pdu, self.trace_connect
        )


class ModbusServer:
    """A Modbus TCP server for the device or devices of one address.

    Answers as small controllers do: exception 2 to an unknown register, 3 to a value that
    it cannot take, 1 to a function that it does not have (22 and 23 among them) or that is
    not the point's own, and 11 to a unit id that is nobody's.

    Parameters
    ----------
    host, port
        Where to listen.
    units
        By unit id: the device that has it.
    recorder
        Counts every request to write.
    """

    def __init__(
        self, host: str, port: int, units: Mapping[int, RegisterMap], recorder: Recorder
    ) -> None:
        self._address, self._units, self._recorder = (host, port), dict(units), recorder
        self._server: _Listener | None = None

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        OSError
            The address cannot be bound.
        """
        server = _Listener(
            [_unused(unit_id) for unit_id in self._units],
            address=self._address,
            trace_pdu=self._trace,
        )
        server.context = _Store(self._units)
        if not await server.listen():
            raise OSError("cannot listen on {}:{}".format(*self._address))
        self._server = server

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None

    @property
    def connections(self) -> int:
        """Clients connected now."""
        return 0 if self._server is None else len(self._server.active_connections)

    async def notify(self) -> None:
        """Nothing to do: Modbus only answers."""

    def _trace(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        """Count requests to write before they are judged, and record those that never are."""
        if sending or pdu.function_code not in WRITES:
            return pdu
        registers = self._units.get(pdu.dev_id)
        self._recorder.request(registers.device if registers else "nobody")
        if registers is None:
            return pdu
        if isinstance(pdu, MaskWriteRegisterRequest):
            masks = struct.pack(">HH", pdu.and_mask, pdu.or_mask)
            registers.refuse_function(Table.HOLDING, pdu.address, masks)
        elif isinstance(pdu, ReadWriteMultipleRegistersRequest):
            values = struct.pack(f">{len(pdu.write_registers)}H", *pdu.write_registers)
            registers.refuse_function(Table.HOLDING, pdu.write_address, values)
        return pdu
