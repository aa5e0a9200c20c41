"""What all experiments share: settings as a record states them, results, and a picture."""

import dataclasses
from typing import Any, Self

from tinyattn.errors import InputError, shown
from tinyattn.kept import plain


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A frozen dataclass of settings, with `run` and `figure`."""

    @classmethod
    def of(cls, settings: dict[str, Any]) -> Self:
        """The experiment with these settings, a dict as JSON holds it, and defaults for the rest.

        Raises InputError for settings that the experiment does not have.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(settings, dict):
            raise InputError(f"settings: expected a dict, got {shown(settings)}")
        unknown = sorted(map(str, settings.keys() - set(known)))
        if unknown:
            raise InputError(
                f"settings: expected only names among {', '.join(known)}, got {', '.join(unknown)}"
            )
        return cls(**settings)

    @classmethod
    def results(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """The results of the experiment with these settings: what `sweep.sweep` calls."""
        return cls.of(settings).run()

    @property
    def settings(self) -> dict[str, Any]:
        """All settings, as they are used, as JSON holds them: `of` makes the same experiment."""
        return plain("settings", dataclasses.asdict(self))

    def run(self) -> dict[str, Any]:
        """Measure: a dict of numbers and of curves."""
        raise NotImplementedError

    def figure(self, found: Any) -> Any:
        """The picture of what `run` found: a figure of matplotlib, which is first loaded here."""
        raise NotImplementedError
