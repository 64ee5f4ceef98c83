"""OVF envelopes: read in both dialects, and changed without touching anything else."""

from collections import Counter
from pathlib import Path

import pytest

from builder.errors import FormatError, GuestError
from builder.formats.disk import GIB, MIB
from builder.formats.ovf import (
    Edits,
    Envelope,
    Machine,
    Product,
    Property,
    edit_envelope,
    format_manifest,
    make_envelope,
    parse_envelope,
    parse_manifest,
)
from builder.structs import replace
from tests.formats.ovf_samples import OVA_COMPOSE, OVFTOOL
from tests.support.judges import judge

DIALECTS = [pytest.param(OVFTOOL, id="ovftool"), pytest.param(OVA_COMPOSE, id="ova-compose")]
ALL = Edits(
    disk_size=777,
    populated_size=888,
    hardware_version="vmx-17",
    firmware="efi",
    secure_boot=True,
    network='R&D "lab"',
    nic_type="E1000e",
    cpus=4,
    memory_mib=4096,
    name="edge <1>",
    annotation="Built & tested\nin two lines",
    eula="<Terms> & conditions:\n\n  none.",
    product=Product("Edge", "ACME", "1.0", "1.0-7", "https://example.org/?a=1&b=2"),
    properties=(
        Property("guestinfo.userdata", "a\nb", is_user_configurable=True, label="Data"),
        Property("guestinfo.flag", "true", "boolean"),
    ),
)


def parse(data: bytes) -> Envelope:
    """Parse an envelope."""
    return parse_envelope(data, name="a.ovf")


def changed(old: bytes, new: bytes) -> list[str]:
    """Return the lines that were removed, then those that were added."""
    before, after = (Counter(map(str.strip, text.decode().split("\n"))) for text in (old, new))
    lines = [f"- {line}" for line in before - after] + [f"+ {line}" for line in after - before]
    return [line for line in lines if line[2:]]


def check(data: bytes, tmp_path: Path) -> None:
    """Let xmllint judge the document."""
    path = tmp_path / "judged.ovf"
    path.write_bytes(data)
    judge("xmllint", "--noout", "--nonet", path)


def test_what_ovftool_says_is_read() -> None:
    envelope = parse(OVFTOOL)
    disk = envelope.disks[0]
    assert disk.file is not None
    assert (disk.file.href, disk.file.size, disk.capacity) == (
        "photon-ova-disk1.vmdk",
        196_608,
        16 * GIB,
    )
    assert (envelope.name, envelope.hardware_version) == ("photon-ova", "vmx-11")
    assert (envelope.firmware, envelope.secure_boot) == ("bios", True)
    assert (envelope.cpus, envelope.memory_mib) == (1, 2048)
    assert (envelope.networks, envelope.nic_types) == (("None",), ("VmxNet3",))
    assert envelope.product == Product("Photon OS", "VMware Inc.", "3.0", "3.0")
    assert envelope.annotation == "For details, see the project & its site."
    assert envelope.transport == ()
    assert envelope.properties == ()


def test_what_ova_compose_says_is_read() -> None:
    envelope = parse(OVA_COMPOSE)
    assert envelope.disks[0].capacity == 16 * GIB
    assert envelope.disks[0].populated_size == 524_288
    assert (envelope.firmware, envelope.secure_boot) == ("efi", False)
    assert (envelope.hardware_version, envelope.cpus) == ("vmx-14", 2)
    assert envelope.product == Product()
    assert envelope.annotation == ""


@pytest.mark.parametrize("data", DIALECTS)
def test_no_edit_changes_no_byte(data: bytes) -> None:
    assert edit_envelope(parse(data), Edits()) == data


@pytest.mark.parametrize("data", DIALECTS)
def test_the_size_of_the_disk_changes_two_numbers(data: bytes) -> None:
    envelope = parse(data)
    edits = Edits(disk=envelope.disks[0], disk_size=777, populated_size=888)
    new = edit_envelope(envelope, edits)
    wanted = data.replace(b'size="196608"', b'size="777"').replace(b'"524288"', b'"888"')
    assert new == wanted


@pytest.mark.parametrize("data", DIALECTS)
@pytest.mark.parametrize("capacity", [20 * GIB, 20 * GIB + MIB])
def test_a_grown_disk_is_said_in_units_that_can_say_it(data: bytes, capacity: int) -> None:
    disk = parse(data).disks[0]
    new = edit_envelope(parse(data), Edits(disk=disk, capacity=capacity))
    assert parse(new).disks[0].capacity == capacity


@pytest.mark.parametrize("data", DIALECTS)
def test_every_edit_is_read_back_and_well_formed(data: bytes, tmp_path: Path) -> None:
    envelope = parse(data)
    new = edit_envelope(envelope, replace(ALL, disk=envelope.disks[0]))
    check(new, tmp_path)
    found = parse(new)
    assert found.disks[0].file is not None
    assert (found.disks[0].file.size, found.disks[0].populated_size) == (777, 888)
    assert (found.hardware_version, found.firmware, found.secure_boot) == ("vmx-17", "efi", True)
    assert (found.networks, found.nic_types) == ((ALL.network,), ("E1000e",))
    assert (found.cpus, found.memory_mib) == (4, 4096)
    assert (found.name, found.annotation, found.eula) == (ALL.name, ALL.annotation, ALL.eula)
    assert (found.product, found.properties) == (ALL.product, ALL.properties)
    assert found.transport == ("com.vmware.guestInfo",)
    assert new.count(b'<rasd:Connection>R&amp;D "lab"</rasd:Connection>') == 1


@pytest.mark.parametrize("data", DIALECTS)
def test_a_license_stands_once_in_the_virtual_system(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.ovf"
    path.write_bytes(edit_envelope(parse(data), Edits(eula="none")))
    section = "//*[local-name()='VirtualSystem']/*[local-name()='EulaSection']"
    for query in (f"count({section})", f"count({section}/*[local-name()='Info'])"):
        assert judge("xmllint", "--nonet", "--xpath", query, path).stdout.strip() == "1"
    license_text = f"string({section}/*[local-name()='License'])"
    assert judge("xmllint", "--nonet", "--xpath", license_text, path).stdout.strip() == "none"


@pytest.mark.parametrize("data", DIALECTS)
def test_edits_made_again_change_nothing(data: bytes) -> None:
    envelope = parse(data)
    once = edit_envelope(envelope, replace(ALL, disk=envelope.disks[0]))
    assert edit_envelope(parse(once), replace(ALL, disk=parse(once).disks[0])) == once


@pytest.mark.parametrize(
    ("edits", "wanted"),
    [
        (
            Edits(hardware_version="vmx-13"),
            [
                "- <vssd:VirtualSystemType>vmx-11</vssd:VirtualSystemType>",
                "+ <vssd:VirtualSystemType>vmx-13</vssd:VirtualSystemType>",
            ],
        ),
        (
            Edits(firmware="efi"),
            ['+ <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>'],
        ),
        (Edits(firmware="bios"), []),
        (
            Edits(cpus=3),
            [
                "- <rasd:ElementName>1 virtual CPU(s)</rasd:ElementName>",
                "- <rasd:VirtualQuantity>1</rasd:VirtualQuantity>",
                '- <vmw:CoresPerSocket ovf:required="false">2</vmw:CoresPerSocket>',
                "+ <rasd:ElementName>3 virtual CPU(s)</rasd:ElementName>",
                "+ <rasd:VirtualQuantity>3</rasd:VirtualQuantity>",
                '+ <vmw:CoresPerSocket ovf:required="false">1</vmw:CoresPerSocket>',
            ],
        ),
        (
            Edits(product=Product(url="https://example.org")),
            ["+ <ProductUrl>https://example.org</ProductUrl>"],
        ),
        (Edits(annotation="new"), None),
    ],
    ids=["hardware", "firmware", "same firmware", "cpus", "url", "annotation"],
)
def test_an_edit_touches_its_own_lines_only(edits: Edits, wanted: list[str] | None) -> None:
    found = changed(OVFTOOL, edit_envelope(parse(OVFTOOL), edits))
    if wanted is None:
        wanted = [
            "- <Annotation>For details, see the project &amp; its site.</Annotation>",
            "+ <Annotation>new</Annotation>",
        ]
    assert found == wanted


def test_memory_keeps_its_unit_where_it_can() -> None:
    data = OVA_COMPOSE.replace(b"byte * 2^20<", b"byte * 2^30<").replace(b">2048<", b">2<")
    assert parse(data).memory_mib == 2048
    new = edit_envelope(parse(data), Edits(memory_mib=4096))
    assert new == data.replace(
        b"2^30</rasd:AllocationUnits>\n        <rasd:VirtualQuantity>2<",
        b"2^30</rasd:AllocationUnits>\n        <rasd:VirtualQuantity>4<",
    )
    odd = edit_envelope(parse(data), Edits(memory_mib=1536))
    assert parse(odd).memory_mib == 1536
    assert b"byte * 2^20" in odd


def test_memory_without_a_unit_is_counted_in_mib_and_gets_one(tmp_path: Path) -> None:
    unit = b"        <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>\n"
    data = OVA_COMPOSE.replace(unit, b"")
    assert parse(data).memory_mib == 2048
    new = edit_envelope(parse(data), Edits(memory_mib=1536))
    check(new, tmp_path)
    assert changed(data, new) == [
        "- <rasd:VirtualQuantity>2048</rasd:VirtualQuantity>",
        "+ <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>",
        "+ <rasd:VirtualQuantity>1536</rasd:VirtualQuantity>",
    ]


def _importers_quantity(data: bytes, kind: int, configuration: str, tmp_path: Path) -> int:
    """Return what an importer takes: the last item of a type in a configuration, no limits."""
    path = tmp_path / "imported.ovf"
    path.write_bytes(data)
    item = (
        f"//*[local-name()='Item'][*[local-name()='ResourceType']='{kind}']"
        "[not(@*[local-name()='bound'])]"
        "[not(@*[local-name()='configuration']) or "
        f"@*[local-name()='configuration']='{configuration}']"
    )
    query = f"string(({item})[last()]/*[local-name()='VirtualQuantity'])"
    return int(judge("xmllint", "--nonet", "--xpath", query, path).stdout)


_CONFIGURATIONS = b"""<DeploymentOptionSection>
    <Info>Sizes</Info>
    <Configuration ovf:id="small"><Label>S</Label><Description>S</Description></Configuration>
    <Configuration ovf:default="true" ovf:id="big"><Label>B</Label><Description/></Configuration>
  </DeploymentOptionSection>
  <VirtualSystem """


def _with_items(attributes: dict[str, int]) -> bytes:
    """Return an envelope with two configurations and an item of processors for each entry."""
    start = OVA_COMPOSE.index(b"<Item>")
    item = OVA_COMPOSE[start : OVA_COMPOSE.index(b"</Item>") + 7]
    made = b"".join(
        item.replace(b"<Item>", f"<Item{said}>".encode()).replace(b">2<", f">{count}<".encode())
        for said, count in attributes.items()
    )
    return OVA_COMPOSE.replace(item, made).replace(b"<VirtualSystem ", _CONFIGURATIONS)


def test_processors_of_the_default_configuration_are_read(tmp_path: Path) -> None:
    items = {' ovf:bound="min"': 1, "": 2, ' ovf:configuration="small"': 4}
    data = _with_items(items | {' ovf:configuration="big"': 8})
    envelope = parse(data)
    assert envelope.configurations == ("big", "small")
    assert envelope.cpus == _importers_quantity(data, 3, "big", tmp_path) == 8


def test_processors_that_configurations_set_apart_cannot_be_changed(tmp_path: Path) -> None:
    data = _with_items({"": 2, ' ovf:configuration="small"': 4, ' ovf:configuration="big"': 8})
    with pytest.raises(GuestError, match="own processors: big, small") as caught:
        edit_envelope(parse(data), Edits(cpus=3))
    assert "leave out output.cpus" in str(caught.value.hint)
    new = edit_envelope(parse(data), Edits(memory_mib=3072))
    assert _importers_quantity(new, 4, "big", tmp_path) == 3072


def test_processors_are_set_in_every_item_but_limits(tmp_path: Path) -> None:
    limits = {' ovf:bound="min"': 1, ' ovf:bound="max"': 16}
    data = _with_items({' ovf:bound="min"': 1, "": 2, ' ovf:required="true"': 8} | limits)
    assert parse(data).cpus == 8
    new = edit_envelope(parse(data), Edits(cpus=3))
    assert parse(new).cpus == _importers_quantity(new, 3, "big", tmp_path) == 3
    lines = [line for line in changed(data, new) if line[0] == "-"]
    assert lines == [f"- <rasd:VirtualQuantity>{count}</rasd:VirtualQuantity>" for count in (2, 8)]


def test_secure_boot_is_turned_off_in_both_ways() -> None:
    for data in (
        OVFTOOL,
        OVA_COMPOSE.replace(b'Enabled" vmw:value="false"', b'Enabled" vmw:value="true"'),
    ):
        assert parse(data).secure_boot
        assert not parse(edit_envelope(parse(data), Edits(secure_boot=False))).secure_boot


def test_other_prefixes_and_empty_elements_are_edited(tmp_path: Path) -> None:
    data = OVA_COMPOSE.replace(b"vmw:", b"x:").replace(b"xmlns:vmw", b"xmlns:x")
    data = data.replace(b"<rasd:Connection>VM Network</rasd:Connection>", b"<rasd:Connection />")
    data = data.replace(b'name="VM Network"', b"name = ''")
    data = b"\xef\xbb\xbf" + data
    new = edit_envelope(parse(data), replace(ALL, firmware="bios"))
    check(new, tmp_path)
    assert (parse(new).networks, parse(new).firmware) == ((ALL.network,), "bios")
    assert b'<rasd:Connection>R&amp;D "lab"</rasd:Connection>' in new


def test_missing_namespaces_are_declared_where_they_are_used(tmp_path: Path) -> None:
    data = OVA_COMPOSE.replace(b' xmlns:vmw="http://www.vmware.com/schema/ovf"', b"")
    data = b"\n".join(line for line in data.split(b"\n") if b"vmw:" not in line)
    data = data.replace(b"</OperatingSystemSection>", b"").replace(
        b"      <Info>The operating system installed</Info>\n"
        b"      <Description>vmwarePhoton64Guest</Description>\n",
        b"",
    )
    new = edit_envelope(parse(data), ALL)
    check(new, tmp_path)
    assert (parse(new).firmware, parse(new).secure_boot) == ("efi", True)


def test_a_prefix_that_means_another_thing_inside_is_not_used(tmp_path: Path) -> None:
    section = b'<VirtualHardwareSection xmlns:vmw="urn:other">'
    data = OVFTOOL.replace(b"<VirtualHardwareSection>", section)
    new = edit_envelope(parse(data), Edits(firmware="efi"))
    check(new, tmp_path)
    assert parse(new).firmware == "efi"


def test_a_populated_size_that_was_not_said_stays_unsaid() -> None:
    data = OVA_COMPOSE.replace(b' ovf:populatedSize="524288"', b"")
    edits = Edits(disk=parse(data).disks[0], populated_size=5)
    assert edit_envelope(parse(data), edits) == data


def test_what_is_not_there_cannot_be_changed() -> None:
    bare = b"""<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"><VirtualSystem>
    <VirtualHardwareSection/></VirtualSystem></Envelope>"""
    assert parse(bare).networks == ()
    for edits in (
        Edits(hardware_version="vmx-13"), Edits(firmware="efi"), Edits(network="x"),
        Edits(nic_type="E1000"), Edits(cpus=1), Edits(memory_mib=1),
    ):  # fmt: skip
        with pytest.raises(GuestError):
            edit_envelope(parse(bare), edits)


@pytest.mark.parametrize("text", ["a\0b", "\x1b", "\udcff", "\ufffe"], ids=ascii)
def test_characters_that_xml_cannot_hold_are_refused(text: str) -> None:
    with pytest.raises(GuestError, match="cannot stand"):
        edit_envelope(parse(OVFTOOL), Edits(annotation=text))


def _one_disk(extra: str) -> bytes:
    """Return an envelope whose disk has other attributes."""
    return OVA_COMPOSE.replace(b'ovf:capacity="17179869184"', extra.encode())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no element"),
        (b"not xml", "line 1"),
        (OVFTOOL[:3000], "line"),
        (b"<a/>", "wanted an Envelope"),
        (b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "document type"),
        (b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "document type"),
        (b"<a>&undefined;</a>", "undefined entity"),
        (b"<?xml version='1.0' encoding='latin-1'?><a/>", "latin-1"),
        (b"<?xml version='1.0' encoding='no-such'?><a/>", "no-such"),
        (b"<a>\xff</a>", "not well-formed"),
        ("<a/>".encode("utf-16"), "not in UTF-8"),
        ("<a/>".encode("utf-16-le"), "not in UTF-8"),
        (b"<a>" * 100, "nested too deep"),
        (b"<a>" + b"<b/>" * 30_000 + b"</a>", "too many elements"),
        (b" " * (5 << 20), "at most"),
        (OVA_COMPOSE.replace(b"VirtualSystem ", b"a ").replace(b"VirtualSystem>", b"a>"), "0 virt"),
        (OVA_COMPOSE.replace(b'ovf:id="file0"', b'ovf:id="x"'), "0 files have the id 'file0'"),
        (OVA_COMPOSE.replace(b'ovf:size="196608"', b'ovf:size="-1"'), "wanted a number"),
        (OVA_COMPOSE.replace(b'ovf:href="photon.vmdk"', b""), "without ovf:href"),
        (_one_disk(""), "without ovf:capacity"),
        (_one_disk('ovf:capacity="' + "9" * 6000 + '"'), "wanted a number"),
        (OVA_COMPOSE.replace(b'Units="byte"', b'Units="furlong"'), "furlong"),
    ],
)  # fmt: skip
def test_other_documents_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse(data)


@pytest.mark.parametrize(
    ("units", "factor"),
    [("byte", 1), ("byte * 2^10", 1024), ("byte*2^30", 1 << 30), ("MegaBytes", 1 << 20)],
)
def test_capacities_count_in_their_units(units: str, factor: int) -> None:
    data = _one_disk('ovf:capacity="3"').replace(b'Units="byte"', f'Units="{units}"'.encode())
    assert parse(data).disks[0].capacity == 3 * factor


def test_an_envelope_cut_short_anywhere_is_refused() -> None:
    for length in range(0, len(OVA_COMPOSE) - 12, 37):
        with pytest.raises(FormatError):
            parse(OVA_COMPOSE[:length])


@pytest.mark.parametrize("firmware", ["bios", "efi"])
def test_a_new_envelope_says_what_it_was_made_from(firmware: str, tmp_path: Path) -> None:
    machine = Machine(
        name='edge & "co"',
        disk_name="edge-disk1.vmdk",
        disk_size=123,
        capacity=GIB,
        populated_size=456,
        hardware_version="vmx-13",
        firmware=firmware,
        cpus=3,
        memory_mib=512,
        network="<net>",
        version="5.0",
    )
    data = make_envelope(machine)
    check(data, tmp_path)
    found = parse(data)
    disk = found.disks[0]
    assert disk.file is not None
    assert (disk.file.href, disk.file.size) == (machine.disk_name, machine.disk_size)
    assert (disk.capacity, disk.populated_size) == (GIB, 456)
    assert (found.name, found.networks) == (machine.name, (machine.network,))
    assert (found.hardware_version, found.firmware) == ("vmx-13", firmware)
    assert (found.cpus, found.memory_mib, found.nic_types) == (3, 512, ("VmxNet3",))
    assert found.product == Product("Photon OS", version="5.0")
    assert make_envelope(machine) == data
    edited = edit_envelope(found, replace(ALL, disk=disk))
    check(edited, tmp_path)
    assert parse(edited).firmware == "efi"


SHA1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_manifest_is_read_whatever_its_spaces_case_and_line_ends() -> None:
    raw = f"sha1 ( a.ovf )={SHA1.upper()}\r\n\r\n  SHA256(b c.vmdk)= {SHA256}  ".encode()
    manifest = parse_manifest(raw, name="a.mf")
    assert [(line.algorithm, line.name, line.digest) for line in manifest.lines] == [
        ("SHA1", "a.ovf", SHA1),
        ("SHA256", "b c.vmdk", SHA256),
    ]
    assert manifest.algorithm == "SHA256"


def test_a_manifest_is_written_as_ovftool_does() -> None:
    text = format_manifest("SHA256", [("a.ovf", SHA256)])
    assert text == f"SHA256(a.ovf)= {SHA256}\n"
    assert parse_manifest(text.encode(), name="a.mf").lines[0].digest == SHA256


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\n", b"SHA1(a)= 12", b"MD5(a)= 12", b"SHA256(a)= " + SHA1.encode(),
        b"a  " + SHA1.encode(),
        b"SHA1(\xff)= " + SHA1.encode(), b"SHA1()= " + SHA1.encode(), b"SHA384(a)= " + b"0" * 96,
        b"SHA1(a)= " + SHA1.encode() + b"\nSHA1(a)= " + b"0" * 40,
    ],
)  # fmt: skip
def test_other_manifests_are_refused(raw: bytes) -> None:
    with pytest.raises(FormatError, match=r"^a\.mf: "):
        parse_manifest(raw, name="a.mf")
