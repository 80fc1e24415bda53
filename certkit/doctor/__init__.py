"""Why a host does not trust a registry: facts in, findings out."""
