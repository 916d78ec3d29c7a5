"""What the files of deploy/ say, for a test: each place where wssgate runs, with its variables and its times.

Prints one line of JSON: a list of {file, variables, grace, sleep, native}; times in seconds, sleep null where nothing
sleeps; native where wssgate is a sidecar that ends after the application.
"""

import json
import pathlib
import sys

import yaml


def seconds(text):
    assert text.endswith("s"), text
    return int(text[:-1])


def of_compose(file):
    services = yaml.safe_load(file.read_text())["services"]
    for service in services.values():
        if service["image"] == "wssgate":
            yield service["environment"], seconds(service["stop_grace_period"]), None, False


def of_kubernetes(file):
    for document in yaml.safe_load_all(file.read_text()):
        if document["kind"] != "Deployment":
            continue
        pod = document["spec"]["template"]["spec"]
        sidecars = {container["name"]: container for container in pod.get("initContainers", [])}
        assert all(sidecar["restartPolicy"] == "Always" for sidecar in sidecars.values())
        containers = sidecars | {container["name"]: container for container in pod["containers"]}
        variables = {entry["name"]: entry["value"] for entry in containers["wssgate"]["env"]}
        sleep = containers["app"]["lifecycle"]["preStop"]["sleep"]["seconds"]
        yield variables, pod["terminationGracePeriodSeconds"], sleep, "wssgate" in sidecars


deploy = pathlib.Path(sys.argv[1])
places = [(deploy / "compose.yaml", of_compose)]
places += [(file, of_kubernetes) for file in sorted((deploy / "kubernetes").glob("**/*.yaml"))]
facts = [
    {"file": file.name, "variables": variables, "grace": grace, "sleep": sleep, "native": native}
    for file, read in places
    for variables, grace, sleep, native in read(file)
]
print(json.dumps(facts))
