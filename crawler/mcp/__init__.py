"""The catalog for agents: a server of the Model Context Protocol (https://modelcontextprotocol.io), read-only.

`answers` asks the catalog and makes the values of `results`; `server` offers them as tools, resources and prompts of
the official SDK (extra `mcp`); `http` puts the server behind checks of token, Host and Origin.
"""
