"""The throwaway fleet that ``certkit demo`` runs on: hosts, a registry and stand-ins."""
