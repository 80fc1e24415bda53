"""Programs that stand in for ``docker`` and ``openssl`` on an embedded host.

They use nothing but the standard library, so that they start fast and do not depend on the code
that they help to prove.
"""
