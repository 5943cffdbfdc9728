"""Alerts to those who subscribed: signed webhooks, retried until they are accepted."""
