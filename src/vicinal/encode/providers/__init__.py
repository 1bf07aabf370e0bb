"""Models behind an HTTP interface, as encoders: OpenAI and all that speak its words, Cohere, Voyage.

Nothing here is asked for a model that runs on this machine; importing this package opens no connection.
"""

from vicinal.encode.providers.accounting import Usage
from vicinal.encode.providers.connect import connect
from vicinal.encode.providers.encoder import RemoteEncoder
from vicinal.encode.providers.names import ProviderName, is_provider, parse

__all__ = ["ProviderName", "RemoteEncoder", "Usage", "connect", "is_provider", "parse"]
