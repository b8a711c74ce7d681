"""What another program sees of Goldsmith's images: it knows nothing of Goldsmith but its properties, and asks by
openstacksdk, with the cloud that OS_CLOUD names.

foreign.py list                  the images, each with the snapshots that it names; each is compared with Cinder's
foreign.py boot <image> <name>   makes a server of an image, and waits until it is ACTIVE; prints its id
foreign.py remove <server>       deletes a server and the volumes that it leaves
foreign.py forget <image>        deletes an image and the snapshots that it names
foreign.py roles                 the roles of the credential
"""

import json
import sys

import openstack

cloud = openstack.connect()
OURS = "goldsmith_resource"


def check(holds, what):
    if not holds:
        sys.exit("foreign: " + what)


def properties(image):
    """The SDK keeps what it does not know beside what it knows."""
    return {**image.properties, **{name: value for name, value in image.to_dict().items() if value is not None}}


def mapping(image):
    told = properties(image).get("block_device_mapping") or "[]"
    return json.loads(told) if isinstance(told, str) else told


def images():
    # What the project makes of a launched server inherits all properties, but has another id.
    found = [one for one in cloud.image.images(visibility="private") if OURS in properties(one)]
    return [one for one in found if properties(one).get("goldsmith_self") == one.id]


def inspect(image):
    """Whether all that the image promises is there."""
    told, disks = properties(image), mapping(image)
    check(image.status == "active", "image %s is %s" % (image.id, image.status))
    check(disks, "image %s names no snapshots" % image.id)
    check([one["boot_index"] for one in disks].count(0) == 1, "image %s has not one disk to boot from" % image.id)
    check(len({one["device_name"] for one in disks}) == len(disks), "image %s has a device twice" % image.id)
    manifest = json.loads(told["goldsmith_manifest"])
    for one in disks:
        snapshot = cloud.block_storage.get_snapshot(one["snapshot_id"])
        volume = cloud.block_storage.get_volume(snapshot.volume_id)
        check(snapshot.status == "available", "snapshot %s is %s" % (snapshot.id, snapshot.status))
        check(snapshot.size == one["volume_size"], "snapshot %s is of another size" % snapshot.id)
        check(volume.volume_type == one["volume_type"], "snapshot %s is of another volume type" % snapshot.id)
        check(one["source_type"] == "snapshot", "%s is not made of a snapshot" % one["device_name"])
        check(one["device_name"] in json.dumps(manifest), "the manifest has no %s" % one["device_name"])
    return disks


def listing():
    for image in images():
        print("image %s %s, made of" % (image.id, properties(image)[OURS]))
        for one in inspect(image):
            print("  %(device_name)s: snapshot %(snapshot_id)s, %(volume_size)s GiB, %(volume_type)s" % one)


def boot(image, name):
    disks = inspect(cloud.image.get_image(image))
    flavor = cloud.compute.find_flavor("tiny0", ignore_missing=False)
    server = cloud.compute.create_server(name=name, image_id=image, flavor_id=flavor.id, networks="none")
    server = cloud.compute.wait_for_server(server, status="ACTIVE", interval=1, wait=180)
    attached = list(cloud.compute.volume_attachments(server))
    volumes = {one.device: cloud.block_storage.get_volume(one.volume_id) for one in attached}
    for one in disks:
        volume = volumes.get(one["device_name"])
        check(volume is not None, "the server has no %s" % one["device_name"])
        check(volume.snapshot_id == one["snapshot_id"], "%s is made of something else" % one["device_name"])
    check(len(attached) == len(disks), "the server has %s volumes" % len(attached))
    print(server.id)


def remove(server):
    found = cloud.compute.get_server(server)
    volumes = [one.volume_id for one in cloud.compute.volume_attachments(found)]
    cloud.compute.delete_server(found)
    cloud.compute.wait_for_delete(found, interval=1, wait=120)
    for volume in volumes:
        cloud.block_storage.delete_volume(volume, ignore_missing=True)


def forget(image):
    snapshots = [one["snapshot_id"] for one in mapping(cloud.image.get_image(image))]
    cloud.image.delete_image(image, ignore_missing=False)
    for snapshot in snapshots:
        found = cloud.block_storage.get_snapshot(snapshot)
        cloud.block_storage.delete_snapshot(found, ignore_missing=False)
        cloud.block_storage.wait_for_delete(found, interval=1, wait=120)
    print("deleted: image %s and %s snapshots" % (image, len(snapshots)))


def roles():
    print(" ".join(sorted(cloud.session.auth.get_access(cloud.session).role_names)))


commands = {"list": listing, "boot": boot, "remove": remove, "forget": forget, "roles": roles}
if len(sys.argv) < 2 or sys.argv[1] not in commands:
    sys.exit(__doc__)
commands[sys.argv[1]](*sys.argv[2:])
