"""What the specs of the family add to FATE's parameters: bounds of what is honoured."""

from __future__ import annotations

from pydantic import Field, field_validator

from fate_federated.catalog.linear_params import LinearModelParams
from fate_federated.catalog.shared_params import EncryptParams, Frequency, PositiveInt
from fate_federated.catalog.spec import unavailable

KEY_LENGTHS = (1024, 2048, 3072, 4096)


class PaillierParams(EncryptParams):
    """Paillier. IterativeAffine is replaced by it with a warning, 1024 bits are honoured with one."""

    @field_validator("method")
    @classmethod
    def _paillier(cls, value: str | None) -> str | None:
        if value not in ("Paillier", "IterativeAffine"):
            raise unavailable(f"{value} is not available: use Paillier")
        return value

    @field_validator("key_length")
    @classmethod
    def _of_a_usual_length(cls, value: int) -> int:
        if value not in KEY_LENGTHS:
            raise unavailable(f"keys have one of the lengths {', '.join(map(str, KEY_LENGTHS))}")
        return value


class TrainingParams(LinearModelParams):
    """Of a training whose progress is validated: FATE has some parameters in two places."""

    @property
    def validated(self) -> Frequency:
        """After which iterations validation data are scored: FATE has it in two places."""
        by_callback = self.callback_param.validation_freqs if self.callback_param.callbacks else None
        if by_callback is None and self.validation_freqs is None and self.patience is not None:
            return 1
        return by_callback if by_callback is not None else self.validation_freqs

    @property
    def patience(self) -> PositiveInt | None:
        """Validations without an improvement after which the training stops."""
        if "EarlyStopping" in self.callback_param.callbacks and self.callback_param.early_stopping_rounds is not None:
            return self.callback_param.early_stopping_rounds
        return self.early_stopping_rounds

    @property
    def scored_by(self) -> list[str]:
        """The metrics of a validation, in order; empty for those that the kind of label has by default."""
        return list((self.callback_param.metrics if self.callback_param.callbacks else None) or self.metrics or ())

    @property
    def first_metric_only(self) -> bool:
        """Whether stopping goes by the first of the metrics alone."""
        return self.use_first_metric_only or (
            bool(self.callback_param.callbacks) and self.callback_param.use_first_metric_only
        )

    @property
    def checkpoints(self) -> PositiveInt | None:
        """Iterations between two checkpoints; None without any."""
        return self.callback_param.save_freq if "ModelCheckpoint" in self.callback_param.callbacks else None

    def validates(self, iteration: int) -> bool:
        """Whether validation data, where there are any, are scored after this iteration."""
        frequency = self.validated
        if frequency is None:
            return False
        return iteration in frequency if isinstance(frequency, list) else (iteration + 1) % frequency == 0

    def keeps(self, iteration: int) -> bool:
        """Whether the weights after this iteration are kept as a checkpoint."""
        every = self.checkpoints
        return every is not None and (iteration + 1) % every == 0


class VerticalParams(TrainingParams):
    """Of a model over vertically split features, trained with an arbiter."""

    encrypt_param: PaillierParams = Field(default_factory=PaillierParams)

    @field_validator("floating_point_precision")
    @classmethod
    def _as_a_float_has_it(cls, value: int | None) -> int | None:
        if value is not None and not 1 <= value <= 52:
            raise unavailable("a number has 1 to 52 bits behind the point")
        return value
