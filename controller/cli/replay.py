"""``isotherm replay``: past decisions computed again from their records."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.cli.base import CommandError, Commands, message, print_json, print_table
from controller.cli.stores import add_place, place_of

if TYPE_CHECKING:
    from controller.replay.lookup import Ticks
    from controller.replay.recompute import Replayed, Step


def register(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "replay", help="compute a past decision again from its record, and compare"
    )
    parser.add_argument(
        "decision", nargs="*", help="id of a tick, a proposal or a decision, or a tick's number"
    )
    add_place(parser)
    parser.add_argument("--sample", type=int, metavar="N", help="N steps drawn at random")
    parser.add_argument("--all", action="store_true", help="every step on record")
    parser.add_argument("--seed", type=int, default=0, help="of --sample (default 0)")
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="planners at once (default 1)"
    )
    parser.add_argument("--list", action="store_true", help="show the last steps, replay nothing")
    parser.add_argument("--site", type=Path, help="directory of the site as it was then")
    parser.add_argument("--model", type=Path, help="directory of the model as it was then")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Answer 0 where all match, 1 where one does not."""
    from controller.replay.inputs import InputsError
    from controller.replay.lookup import Ticks
    from controller.replay.planner import sources_of
    from controller.replay.recompute import ReplayError
    from controller.replay.together import replay_together
    from controller.storage.opening import open_present
    from controller.storage.ports import StorageError

    try:
        stores = open_present(place_of(args))
        try:
            ticks = Ticks(stores.records, stores.ticks)
            if args.list:
                return _list(ticks, as_json=args.json)
            steps, damage = _chosen(args, ticks)
            if args.sample or args.all:
                damage += stores.ticks.breaks()
            sources = sources_of(args.state, ticks.of_number, args.site, args.model)
            done = []
            for found in replay_together(steps, sources, args.workers):
                done.append(found)
                if not args.json:
                    _tell(found, briefly=len(steps) > 1)
        finally:
            stores.close()
    except (StorageError, InputsError, ReplayError) as error:
        raise CommandError(str(error), status=1) from error
    return _conclude(done, damage, as_json=args.json)


def _chosen(args: argparse.Namespace, ticks: Ticks) -> tuple[list[Step], list[str]]:
    """The steps to replay, and what is wrong with records that cannot be."""
    if args.workers < 1:
        raise CommandError("--workers has to be 1 or more")
    if bool(args.decision) + bool(args.sample) + args.all != 1:
        raise CommandError("name decisions, or give --sample N or --all (--list shows the last)")
    if args.decision:
        return [ticks.named(name) for name in args.decision], []
    return ticks.drawn(len(ticks) if args.all else args.sample, args.seed)


def _list(ticks: Ticks, *, as_json: bool) -> int:
    entries = ticks.last(20)
    if as_json:
        print_json(list(entries))
        return 0
    head = ("tick", "planned by", "proposal", "decision", "saving kW")
    rows = [
        (e["id"], e["solver"] or "-", e["proposal"] or "-", e["decision"] or "-",
         "-" if e["saving_kw"] is None else f"{e['saving_kw']:.1f}")
        for e in entries
    ]  # fmt: skip
    print_table(head, rows)
    return 0


def _tell(found: Replayed, *, briefly: bool) -> None:
    if briefly and found.matches:
        return
    how = "every bit is equal" if found.comparison.exact else _distance(found)
    verdict = "matches" if found.matches else "DOES NOT MATCH"
    print(f"{found.tick}: {verdict}: {how}")
    for words in found.comparison.where:
        print(f"  {words}")
    if found.along_record:
        print(f"  taken as recorded: {found.along_record}")
    if found.differs_in:
        print(f"  not as it was then: {'; '.join(found.differs_in)}")


def _distance(found: Replayed) -> str:
    if found.comparison.largest == float("inf"):
        return "it came out otherwise"
    return f"numbers differ by up to {found.comparison.largest:.1e} of their size"


def _conclude(done: list[Replayed], damage: list[str], *, as_json: bool) -> int:
    exact = sum(found.comparison.exact for found in done)
    matching = sum(found.matches for found in done)
    along = sum(bool(found.along_record) for found in done)
    if as_json:
        print_json(
            {
                "replayed": len(done),
                "equal_in_every_bit": exact,
                "matching": matching,
                "along_record": along,
                "damage": damage,
                "steps": [_plain(found) for found in done if not found.matches or len(done) <= 20],
            }
        )
    else:
        for words in damage:
            print(f"DAMAGED: {words}")
        message(
            f"{len(done)} replayed: {exact} equal in every bit, {matching - exact} within 1e-9, "
            f"{len(done) - matching} different; {along} in part as recorded; "
            f"{len(damage)} damaged records"
        )
    return 0 if matching == len(done) and not damage else 1


def _plain(found: Replayed) -> dict[str, Any]:
    largest = found.comparison.largest
    return {
        "tick": found.tick,
        "matches": found.matches,
        "equal_in_every_bit": found.comparison.exact,
        "largest_difference": None if largest == float("inf") else largest,
        "where": list(found.comparison.where),
        "not_as_it_was": list(found.differs_in),
        "taken_as_recorded": found.along_record,
    }
