"""One connection to one host: SSH or local, host keys, logins, privilege.

`certkit.transport.connector.open_connector` is the way in; `certkit.transport.connection` is the
seam. paramiko is imported by this package alone, and only once the first SSH host is reached.
"""
