from __future__ import annotations

from pydantic import BaseModel, model_validator

from fate_federated.dsl.document import read_json
from fate_federated.dsl.findings import Findings


class Broken(BaseModel):
    places: list[int]

    @model_validator(mode="after")
    def _first(self) -> Broken:
        assert self.places[0] >= 0
        return self


def test_a_rule_that_fails_is_a_finding_and_not_the_end_of_the_check() -> None:
    document, findings = read_json('{"component": {"places": []}}'), Findings()
    assert findings.check_rest(Broken, document, ("component",), {"places": []}) is None
    assert [(found.pointer, found.message) for found in findings.errors] == [
        ("/component", "Broken cannot be checked (IndexError)")
    ]
