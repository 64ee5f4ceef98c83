"""cloud.cfg of a sample, with the settings of Photon's images.

Source: ``SPECS/cloud-init`` and ``support/image-builder/<image>/cloud-photon.cfg``.
"""

from builder.facts import CloudInit, Facts
from builder.facts.data import covers, table

_MODULES = """\
cloud_init_modules: [bootcmd, write-files, growpart, resizefs, set_hostname, users-groups, ssh]
cloud_config_modules: [package-update-upgrade-install, runcmd, yum-add-repo]
cloud_final_modules: [scripts-per-once, scripts-per-boot, scripts-user, final-message]
"""
_RAW_DATA = """\
datasource:
  {}:
    allow_raw_data: false
"""
_RAW_SOURCE = {"3.0-Rev3-U1 4.0-Rev1 4.0-Rev2": "OVF", "5.0": "VMware"}


def cloud_files(facts: Facts) -> dict[str, str]:
    """Return what cloud-init reads, by path; nothing where it is not."""
    settings = facts.cloud_init
    if settings is None or facts.has_package("cloud-init") is not True:
        return {}
    files = {"/etc/cloud/cloud.cfg": _cloud_cfg(facts, settings)}
    off = table("system")["cloud_init"]["network_disabled_file"]
    if covers(off["on"], facts.revision):
        files[off["path"]] = "network: {config: disabled}\n"
    return files


def _cloud_cfg(facts: Facts, settings: CloudInit) -> str:
    is_cloud = facts.image in table("system")["cloud_init"]["images"]
    users = "  - default\n"
    if settings.users == "root":
        users = f"  - name: root\n    lock_passwd: {str(is_cloud).lower()}\n"
    own = "" if is_cloud else f"disable_vmware_customization: true\n{_datasource(facts)}"
    return (
        f"users:\n{users}disable_root: {str(settings.disable_root).lower()}\n{own}"
        f"preserve_hostname: false\ndatasource_list: [{', '.join(settings.datasources)}]\n"
        f"{_MODULES}system_info:\n  distro: photon\n  ssh_svcname: sshd\n"
        "  paths:\n    cloud_dir: /var/lib/cloud/\n    templates_dir: /etc/cloud/templates/\n"
    )


def _datasource(facts: Facts) -> str:
    """Return the settings of the datasource that has some."""
    named = (name for on, name in _RAW_SOURCE.items() if covers(on, facts.revision))
    return "".join(_RAW_DATA.format(name) for name in named)
