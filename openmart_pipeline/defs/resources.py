"""Resources: from the environment, read when a step or a tick begins, to the plain objects it works with.

Lives here: opening and closing. The environment itself is handed in by `definitions`, the wiring line.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from openmart_pipeline.services import ApiSession, Services
from openmart_pipeline.settings import Settings, read_settings
from openmart_pipeline.wiring import open_session, open_workplace


@dataclass(frozen=True, slots=True)
class WorkplaceResource:
    """Opens the ledger, the warehouse and the folders; needs neither a key nor the network.

    A plain object and no `ConfigurableResource`: the values of one's fields are shown in the UI, and the
    environment holds the API key.
    """

    environment: Callable[[], Mapping[str, str]]

    def settings(self) -> Settings:
        """Return the settings as they are now.

        Raises:
            SettingsRefused: one is wrong.

        """
        return read_settings(self.environment())

    @contextmanager
    def open(self) -> Iterator[Services]:
        """Open the workplace for one step or tick; this process is one of the ledger's owners meanwhile.

        Raises:
            SettingsRefused: a setting is wrong.
            LedgerRefused: the ledger can't be used as it is.

        """
        with open_workplace(self.settings(), actor="dagster") as work:
            yield work


@dataclass(frozen=True, slots=True)
class OpenmartResource:
    """Makes the API client, paced together with every other process on the ledger.

    Whoever has it among its resources talks to the API, and nobody else does.
    """

    environment: Callable[[], Mapping[str, str]]

    def session(self, work: Services) -> ApiSession:
        """Return the client; it holds no connection, so there is nothing to close.

        Raises:
            SettingsRefused: no key.

        """
        return open_session(read_settings(self.environment()), work)
