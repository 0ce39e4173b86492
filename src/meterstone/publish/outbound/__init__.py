"""Webhooks to others, as Standard Webhooks 1.0 says: at least once, signed, each attempt on record.

    ledger.change(…).outbox.publish(…)      the message, in the transaction of its cause
      └─ queue ──▶ Deliverer ──▶ post() ──▶ receiver
                     └─ attempt, delivery, breaker of the endpoint: one transaction

=================  ==============================================================================
`messages.py`      what is sent: the form of a message, its signature, secrets
`schedule.py`      when it is tried again, and when an endpoint is left alone
`exchange.py`      one attempt: a POST through the guard, and what came of it
`deliverer.py`     takes deliveries off the queue and does them
`service.py`       what people do: add, list, rotate, replay, test, remove
`facts.py`         what is measured of it
=================  ==============================================================================

Source: https://github.com/standard-webhooks/standard-webhooks, `spec/standard-webhooks.md`.
"""
