"""Volumes and snapshots as plain files, for the test's cloud: no device mapper, iSCSI or Ceph is needed.

A snapshot is a copy. Nova gets a volume as a local file, which it calls the connection type gpfs.
"""

import os
import time

from cinder import exception, interface
from cinder.image import image_utils
from cinder.volume import configuration, driver, volume_utils
from oslo_concurrency import processutils
from oslo_config import cfg

OPTIONS = [cfg.StrOpt("files_folder", help="Where they are.")]
cfg.CONF.register_opts(OPTIONS, group=configuration.SHARED_CONF_GROUP)


@interface.volumedriver
class FilesDriver(driver.VolumeDriver):
    VERSION = "1"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(OPTIONS)

    @staticmethod
    def get_driver_options():
        return OPTIONS

    def path(self, thing):
        return os.path.join(self.configuration.files_folder, thing.name)

    def wait(self):
        """Lets a test watch what else would be over at once. A shorter delay counts for what waits already."""
        begun = time.monotonic()
        while time.monotonic() - begun < self.delay():
            time.sleep(0.1)

    def delay(self):
        try:
            with open(os.path.join(self.configuration.files_folder, "..", "delay")) as file:
                return float(file.read() or 0)
        except FileNotFoundError:
            return 0

    def copy(self, source, target, size=0):
        self.wait()
        if not os.path.exists(source):
            raise exception.VolumeBackendAPIException(data="there is no " + source)
        part = target + ".part"
        processutils.execute("cp", "--reflink=auto", "--sparse=always", source, part)
        os.rename(part, target)
        self.grow(target, size)

    @staticmethod
    def grow(path, size):
        if os.path.getsize(path) < size << 30:
            os.truncate(path, size << 30)

    @staticmethod
    def remove(path):
        if os.path.exists(path):
            os.unlink(path)

    def do_setup(self, context):
        pass

    def check_for_setup_error(self):
        pass

    def create_volume(self, volume):
        with open(self.path(volume), "wb") as file:
            file.truncate(volume.size << 30)

    def delete_volume(self, volume):
        self.remove(self.path(volume))

    def create_snapshot(self, snapshot):
        self.copy(self.path(snapshot.volume), self.path(snapshot))

    def delete_snapshot(self, snapshot):
        self.remove(self.path(snapshot))

    def create_volume_from_snapshot(self, volume, snapshot):
        self.copy(self.path(snapshot), self.path(volume), volume.size)

    def create_cloned_volume(self, volume, source):
        self.copy(self.path(source), self.path(volume), volume.size)

    def extend_volume(self, volume, size):
        self.grow(self.path(volume), size)

    def copy_image_to_volume(self, context, volume, image_service, image_id, disable_sparse=False):
        image_utils.fetch_to_raw(context, image_service, image_id, self.path(volume), "1M", size=volume.size)
        self.grow(self.path(volume), volume.size)

    def copy_volume_to_image(self, context, volume, image_service, image_meta):
        volume_utils.upload_volume(context, image_service, image_meta, self.path(volume), volume)

    def ensure_export(self, context, volume):
        pass

    def create_export(self, context, volume, connector):
        pass

    def remove_export(self, context, volume):
        pass

    def initialize_connection(self, volume, connector, **kwargs):
        return {"driver_volume_type": "gpfs", "data": {"name": volume.name, "device_path": self.path(volume)}}

    def terminate_connection(self, volume, connector, **kwargs):
        pass

    def _update_volume_stats(self):
        self._stats = {
            "volume_backend_name": self.configuration.safe_get("volume_backend_name"),
            "vendor_name": "test",
            "driver_version": self.VERSION,
            "storage_protocol": "file",
            "total_capacity_gb": 10000,
            "free_capacity_gb": 9000,
            "reserved_percentage": 0,
            "thin_provisioning_support": True,
            "max_over_subscription_ratio": "20.0",
            "provisioned_capacity_gb": 0,
            "multiattach": False,
        }
