"""The dsl of a prediction job from the dsl of the job that trained.

FATE derives it in two ways. Version 1: at the end of the training, from ``need_deploy``. Version 2: when a user deploys
a model and names the components to keep. In both, a component that learnt something applies its model, which the new
dsl calls ``pipeline.<component>.<alias>``, and what is left out in the middle is bypassed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from fate_federated.catalog.spec import ModuleSpec
from fate_federated.dsl.components import ComponentText, InputText, OutputText

TRAINED = "pipeline"
"""First word of a source that is a model of the job that trained."""
TABLE_OF_PREDICTION = "args.eval_data"
DEFAULT_MODEL = "default"
"""What version 1 calls a model whose component does not name it."""
_ARGS = "args."
_LEARNING_PORTS = {1: ("train_data",), 2: ("train_data", "validate_data", "test_data")}
"""Ports whose data a component learns from or is tried on, by dialect; the first that it has is the one to predict."""
_PREDICTION_PORT = {1: "eval_data", 2: "test_data"}


def is_prediction(components: Mapping[str, ComponentText]) -> bool:
    """Whether any component applies a model of an earlier job."""
    return any(
        source.startswith(f"{TRAINED}.")
        for text in components.values()
        for source in (*text.input.model, *text.input.isometric_model)
    )


def deployed_components(
    components: Mapping[str, ComponentText], catalog: Callable[[str], ModuleSpec | None], version: int
) -> tuple[str, ...]:
    """The components that a prediction pipeline keeps unless somebody chooses: in version 1 by ``need_deploy`` or what
    holds for the module, in version 2 all.
    """

    def deploy(name: str) -> bool:
        written = components[name].need_deploy
        if written is not None:
            return written
        spec = catalog(components[name].module)
        return spec is None or spec.deploy

    return tuple(name for name in components if version == 2 or deploy(name))


def derive_components(
    components: Mapping[str, ComponentText],
    catalog: Callable[[str], ModuleSpec | None],
    version: int,
    deployed: Iterable[str],
) -> dict[str, ComponentText]:
    """The components of the prediction job.

    Args:
        components: of the job that trained.
        version: its dialect, which the result has too.
        deployed: names of those to keep.
    """
    kept = frozenset(deployed)
    derivation = _Derivation(components, catalog, kept, version)
    return {name: derivation.component(name) for name in components if name in kept}


class _Derivation:
    def __init__(
        self,
        components: Mapping[str, ComponentText],
        catalog: Callable[[str], ModuleSpec | None],
        kept: frozenset[str],
        version: int,
    ) -> None:
        self._components = components
        self._catalog = catalog
        self._kept = kept
        self._version = version

    def component(self, name: str) -> ComponentText:
        text = self._components[name]
        models = [f"{TRAINED}.{name}.{alias}" for alias in self._own_models(text)]
        models = models or list(map(_trained, text.input.model))
        return ComponentText(
            module=text.module,
            input=InputText(
                data=self._data(text.input.data),
                model=models,
                isometric_model=list(map(_trained, text.input.isometric_model)),
                cache=[source for source in text.input.cache if source.partition(".")[0] in self._kept],
            ),
            output=OutputText(data=text.output.data, cache=text.output.cache),
        )

    def _own_models(self, text: ComponentText) -> list[str]:
        """Aliases of the models that a component learnt. In version 1 it is one, and need not be named.

        FATE's dsls name models of some modules that leave none.
        """
        spec = self._catalog(text.module)
        written = (text.output.model or [])[: spec.model_outputs if spec is not None else None]
        if self._version == 2:
            return written
        if written or text.input.model:
            return written[:1]
        return [DEFAULT_MODEL] if spec is not None and spec.model_outputs else []

    def _data(self, inputs: Mapping[str, list[str]]) -> dict[str, list[str]]:
        learning = [port for port in _LEARNING_PORTS[self._version] if port in inputs]
        if self._version == 1:
            # The first port that matches is the only one.
            matching = [port for port in inputs if port == "data" or port in learning][:1] or list(inputs)[:1]
        else:
            matching = [port for port in inputs if port == "data"] + learning[:1] or list(inputs)[:1]
        derived: dict[str, list[str]] = {}
        for port in matching:
            written = inputs[port][:1] if self._version == 1 and port in learning else inputs[port]
            sources = [source for source in map(self._source, written) if source]
            if sources:
                derived[_PREDICTION_PORT[self._version] if port in learning else port] = list(dict.fromkeys(sources))
        return derived

    def _source(self, source: str) -> str | None:
        """What stands for a source once the components that are not kept are bypassed; None where nothing is left."""
        passed: set[str] = set()
        while not source.startswith(_ARGS):
            name = source.partition(".")[0]
            if name in self._kept:
                return source
            if name not in self._components or name in passed:
                return None
            passed.add(name)
            inputs = self._components[name].input.data
            first = next((sources[0] for sources in inputs.values() if sources), None)
            if first is None:
                return None
            source = first
        return TABLE_OF_PREDICTION if self._version == 1 else source


def _trained(source: str) -> str:
    return source if source.startswith(f"{TRAINED}.") else f"{TRAINED}.{source}"
