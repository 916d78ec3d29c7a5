"""Two MQTT clients over WebSockets, by paho: mqtt_client.py PORT CA.

One subscribes, the other publishes; prints what was published and received.
"""

import hashlib
import json
import queue
import random
import sys

import paho.mqtt.client as mqtt

PORT, CA = sys.argv[1:]
TOPIC = "wssgate/test"
PAYLOADS = [b"", b"hello", "grüße".encode(), random.randbytes(300_000)]


def open_client():
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, transport="websockets")
    client.tls_set(ca_certs=CA)
    client.ws_set_options(path="/mqtt")
    connected = queue.Queue()
    client.on_connect = lambda client, data, flags, reason, properties: connected.put(str(reason))
    client.connect("localhost", int(PORT))
    client.loop_start()
    return client, connected.get(timeout=20)


def digest(payload):
    return hashlib.sha256(payload).hexdigest()


def close(client):
    client.disconnect()
    client.loop_stop()


subscriber, subscriber_connected = open_client()
received = queue.Queue()
granted = queue.Queue()
subscriber.on_message = lambda client, data, message: received.put(message)
subscriber.on_subscribe = lambda client, data, mid, reasons, properties: granted.put([str(r) for r in reasons])
subscriber.subscribe(TOPIC, qos=1)
grants = granted.get(timeout=20)

publisher, publisher_connected = open_client()
for payload in PAYLOADS:
    publisher.publish(TOPIC, payload, qos=1).wait_for_publish(timeout=20)
messages = [received.get(timeout=20) for _ in PAYLOADS]
close(publisher)
close(subscriber)
facts = {
    "connected": [subscriber_connected, publisher_connected],
    "granted": grants,
    "topics": sorted({message.topic for message in messages}),
    "received": [digest(message.payload) for message in messages] == [digest(payload) for payload in PAYLOADS],
}
print(json.dumps(facts))
