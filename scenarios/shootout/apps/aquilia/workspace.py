"""The workspace: the module, the middleware and the integrations.

All as `aq init workspace` writes it, with MiddlewareChain.production() for production
(/docs/config/integrations). Nothing is signed, so there is no secret key, which Aquilia warns of.
"""

import content
from aquilia import AquilaConfig, Module, Workspace
from aquilia.integrations import (
    DiIntegration,
    FaultHandlingIntegration,
    MiddlewareChain,
    RoutingIntegration,
    StaticFilesIntegration,
    TemplatesIntegration,
)


class Production(AquilaConfig):
    env = "prod"


workspace = (
    Workspace(name="shootout", version="1.0.0")
    .env_config(Production)
    .middleware(MiddlewareChain.production())
    .module(Module("shootout", version="1.0.0").route_prefix("/"))
    .integrate(DiIntegration(auto_wire=True))
    .integrate(RoutingIntegration(strict_matching=True))
    .integrate(FaultHandlingIntegration(default_strategy="propagate"))
    .integrate(TemplatesIntegration.source(str(content.TEMPLATES)).cached("memory").secure())
    .integrate(StaticFilesIntegration(directories={"/static": str(content.static_folder())}))
)
