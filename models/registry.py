"""A trained model on disk: tensors and plain JSON, with its card; its content is its version.

A directory holds ``weights.pt`` (tensors only, read with ``weights_only``), ``model.json``
(all other numbers) and ``card.json`` (where it came from and how good it is). No code is
pickled. `Bundle.load` recomputes the version and refuses what was altered.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from pickle import UnpicklingError  # torch's name for «not a file of tensors»
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from facility.site import Site
from models.contract import Leakage
from models.forecast import LoadModel, WeatherModel
from models.layout import layout_of
from models.power import PowerModel, UnitPower, new_plant
from models.power_features import PowerLayout
from models.state import OffsetNoise
from models.thermal import ThermalModel, ThermalNet
from models.uncertainty import ErrorModel
from models.versions import VersionsError, located

FORMAT = 1
WEIGHTS, MODEL, CARD = "weights.pt", "model.json", "card.json"


class RegistryError(ValueError):
    """A stored model cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Where a model came from and how good it is."""

    site: str
    data_hash: str
    """Of the history that it was trained on."""
    code_hash: str
    """SHA-256 over the source of this package."""
    seed: int
    first_s: float
    last_s: float
    """Plant time of the history."""
    trained_s: float
    """How long training took, s of processor time."""
    metrics: dict[str, float]
    """On data later than what was fitted; names end in their unit or say «over»."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bundle:
    """All that is learned about a site."""

    thermal: ThermalModel
    power: PowerModel
    errors: ErrorModel
    load_model: LoadModel
    weather_model: WeatherModel
    card: ModelCard

    @cached_property
    def version(self) -> str:
        """SHA-256 over every number of the model; training time and notes do not count."""
        digest = hashlib.sha256(_canonical(_numbers(self)).encode())
        for name, value in sorted(_tensors(self).items()):
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(np.ascontiguousarray(value.numpy()).tobytes())
        return digest.hexdigest()

    def save(self, directory: Path) -> None:
        """Write into ``directory``, made if need be; files appear whole or not at all."""
        directory.mkdir(parents=True, exist_ok=True)
        partial = directory / f"{WEIGHTS}.part"
        torch.save(_tensors(self), partial)
        partial.replace(directory / WEIGHTS)
        model = {"format": FORMAT, "version": self.version, **_numbers(self)}
        for name, data in ((CARD, asdict(self.card)), (MODEL, model)):
            partial = directory / f"{name}.part"
            partial.write_text(json.dumps(data, indent=1, sort_keys=True), encoding="utf-8")
            partial.replace(directory / name)

    @classmethod
    def load(cls, directory: Path, site: Site) -> Bundle:
        """Read what `save` wrote and check it; of a registry (`models.versions`), what is in use.

        Raises
        ------
        RegistryError
            Files are missing, altered, of another format, or of another site.
        """
        try:
            directory = located(directory)
        except VersionsError as error:
            raise RegistryError(str(error)) from None
        try:
            data = json.loads((directory / MODEL).read_text(encoding="utf-8"))
            card = json.loads((directory / CARD).read_text(encoding="utf-8"))
            tensors = torch.load(directory / WEIGHTS, weights_only=True)
        except FileNotFoundError as error:
            raise RegistryError(
                f"{directory}: no model there ({Path(error.filename).name} is missing); train one"
            ) from None
        except (ValueError, RuntimeError, UnpicklingError) as error:
            raise RegistryError(f"{directory}: a file is damaged ({error}); train anew") from None
        if data.get("format") != FORMAT:
            raise RegistryError(
                f"{directory}: format {data.get('format')!r}, where {FORMAT} can be read; "
                "train anew"
            )
        try:
            bundle = _rebuild(site, data, tensors, card)
        except (KeyError, TypeError, RuntimeError) as error:
            raise RegistryError(
                f"{directory}: it does not fit site {site.id} ({error}); train it on this site"
            ) from None
        if bundle.version != data["version"]:
            raise RegistryError(f"{directory}: its numbers were altered since training; train anew")
        return bundle


def code_hash() -> str:
    """SHA-256 over the source files of this package."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _modules(bundle: Bundle) -> dict[str, nn.Module]:
    return {"thermal": bundle.thermal.net, "power": bundle.power.plant}


def _tensors(bundle: Bundle) -> dict[str, Tensor]:
    return {
        f"{part}.{name}": value.detach().cpu()
        for part, module in _modules(bundle).items()
        for name, value in module.state_dict().items()
    }


def _numbers(bundle: Bundle) -> dict[str, Any]:
    """Everything but the tensors, as plain lists and numbers."""
    thermal, power = bundle.thermal, bundle.power
    return {
        "site": thermal.layout.site_id,
        "racks": list(thermal.layout.racks),
        "groups": list(thermal.layout.groups),
        "supply_noise": asdict(thermal.supply_noise),
        "rack_noise": asdict(thermal.rack_noise),
        "power_components": list(power.plant),
        "power_units": [asdict(unit) for unit in power.units],
        "power_error_kw": power.error_kw,
        "leakage": {
            "per_k": power.leakage.per_k.tolist(),
            "std_per_k": power.leakage.std_per_k.tolist(),
            "reference_c": power.leakage.reference_c.tolist(),
        },
        "errors": bundle.errors.to_json(),
        "load": asdict(bundle.load_model),
        "weather": asdict(bundle.weather_model),
        "seed": bundle.card.seed,
        "data_hash": bundle.card.data_hash,
    }


def _canonical(data: dict[str, Any]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _rebuild(
    site: Site, data: dict[str, Any], tensors: dict[str, Tensor], card: dict[str, Any]
) -> Bundle:
    layout = layout_of(site)
    for name, own in (("racks", layout.racks), ("groups", layout.groups)):
        if tuple(data[name]) != own:
            raise KeyError(f"other {name}")
    if data["site"] != site.id:
        raise KeyError(f"it was trained on site {data['site']}")
    seed = int(data["seed"])
    net = ThermalNet(layout, seed)
    features = PowerLayout.of(site, layout)
    plant = nn.ModuleDict(
        {name: new_plant(name, features, seed) for name in data["power_components"]}
    )
    for part, module in (("thermal.", net), ("power.", plant)):
        weights = {k.removeprefix(part): v for k, v in tensors.items() if k.startswith(part)}
        module.load_state_dict(weights)
    leak = {name: np.asarray(values) for name, values in data["leakage"].items()}
    load = data["load"]
    spread = tuple(tuple(tuple(row) for row in lead) for lead in load["spread"])
    return Bundle(
        thermal=ThermalModel(
            layout,
            net,
            OffsetNoise(**data["supply_noise"]),
            OffsetNoise(**data["rack_noise"]),
        ),
        power=PowerModel(
            features,
            plant,
            tuple(UnitPower(**unit) for unit in data["power_units"]),
            Leakage(**leak),
            data["power_error_kw"],
        ),
        errors=ErrorModel.from_json(data["errors"]),
        load_model=LoadModel(tuple(tuple(row) for row in load["keep"]), spread),
        weather_model=WeatherModel(**data["weather"]),
        card=ModelCard(**{**card, "notes": tuple(card["notes"])}),
    )
