"""The components of the module."""

from aquilia import AppManifest
from aquilia.manifest import LifecycleConfig

manifest = AppManifest(
    name="shootout",
    version="1.0.0",
    controllers=["modules.shootout.controllers:ShootoutController"],
    socket_controllers=["modules.shootout.sockets:EchoSocket"],
    services=["modules.shootout.services:Rows"],
    lifecycle=LifecycleConfig(
        on_startup="modules.shootout.services:open_database",
        on_shutdown="modules.shootout.services:close_database",
    ),
    auto_discover=False,
)
