"""Packages of distributions, records about them, and the expected results."""

from __future__ import annotations

D12 = "distro=debian-12"
U22 = "distro=ubuntu-22.04"
U24 = "distro=ubuntu-24.04"
A320 = "distro=alpine-3.20.3"
R9 = "distro=rhel-9.4"
AL8 = "distro=almalinux-8.10"
AL9 = "distro=almalinux-9.4"

DEBIAN = (
    # Backports: the upstream version looks vulnerable, the Debian revision is not.
    (f"pkg:deb/debian/openssl@3.0.15-1~deb12u1?{D12}", "CVE-2024-1000: Debian:12 openssl <3.0.15-1~deb12u1", "none"),
    (
        f"pkg:deb/debian/openssl@3.0.14-1~deb12u2?{D12}",
        "CVE-2024-1000: Debian:12 openssl <3.0.15-1~deb12u1",
        "CVE-2024-1000 3.0.15-1~deb12u1",
    ),
    (
        f"pkg:deb/debian/openssl@3.0.15-1~deb12u1?{D12}",
        "CVE-2024-1000: Debian:12 openssl <3.0.15-1",
        "CVE-2024-1000 3.0.15-1",
    ),
    # Another release.
    (f"pkg:deb/debian/openssl@3.0.14-1?{D12}", "CVE-2024-1000: Debian:13 openssl <3.5.0-1", "? no data"),
    (
        f"pkg:deb/debian/openssl@3.0.14-1?{D12}",
        "CVE-2024-1000: Debian:13 openssl <3.5.0-1 & Debian:12 openssl <3.0.13-1",
        "none",
    ),
    (
        f"pkg:deb/debian/openssl@3.0.14-1?{D12}",
        "CVE-2024-1000: Debian:13 openssl all & Debian:12 openssl <3.0.15-1",
        "CVE-2024-1000 3.0.15-1",
    ),
    (f"pkg:deb/debian/openssl@3.0.14-1?{D12}", "CVE-2024-1000: Debian:1 openssl <4", "? no data"),
    # A record without a release is about all releases.
    (f"pkg:deb/debian/openssl@3.0.14-1?{D12}", "CVE-2024-1000: Debian openssl <4", "CVE-2024-1000 4"),
    # Another distribution with the same package.
    (f"pkg:deb/ubuntu/openssl@3.0.2-0ubuntu1.18?{U22}", "CVE-2024-1000: Debian:12 openssl <3.0.15-1", "? no data"),
    # Source package and source version.
    (
        f"pkg:deb/debian/libssl3@3.0.14-1?{D12} from openssl@3.0.14-1",
        "CVE-2024-1000: Debian:12 openssl <3.0.15-1",
        "CVE-2024-1000 3.0.15-1",
    ),
    (
        f"pkg:deb/debian/gcc-12-base@12.2.0-14?{D12} from gcc-12@12.2.0-14",
        "CVE-2024-1000: Debian:12 gcc-12 all",
        "CVE-2024-1000",
    ),
    (
        f"pkg:deb/debian/gcc-12-base@12.2.0-14?{D12} from gcc-12@12.2.0-14",
        "CVE-2024-1000: Debian:12 gcc-13 all",
        "none",
    ),
    # The version of the binary package does not belong to the name of the source package, and vice versa.
    (
        f"pkg:deb/debian/libgcc-s1@1:12.2.0-14?{D12} from gcc-12@12.2.0-14",
        "CVE-2024-1000: Debian:12 gcc-12 <13.0.0-1",
        "CVE-2024-1000 1:13.0.0-1",
    ),
    (
        f"pkg:deb/debian/python3@3.11.2-1+b1?{D12} from python3-defaults@3.11.2-1",
        "CVE-2024-1000: Debian:12 python3-defaults <3.11.2-1",
        "none",
    ),
    (
        f"pkg:deb/debian/perl-modules@5.36.0-7?{D12} from perl@4:5.36.0-7",
        "CVE-2024-1000: Debian:12 perl <4:5.36.0-8",
        "CVE-2024-1000 5.36.0-8",
    ),
    (
        f"pkg:deb/debian/lvm@2:2.03.16-2?{D12} from lvm2@2.03.16-2",
        "CVE-2024-1000: Debian:12 lvm2 <2.03.17-1",
        "CVE-2024-1000 2:2.03.17-1",
    ),
    (f"pkg:deb/debian/lvm@2:2.03.16-2?{D12} from lvm2@2.03.16-2", "CVE-2024-1000: Debian:12 lvm <2.03.17-1", "none"),
    # A record that names the binary package is compared with the binary version.
    (
        f"pkg:deb/debian/lvm@2:2.03.16-2?{D12} from lvm2@2.03.16-2",
        "CVE-2024-1000: Debian:12 lvm <2:2.03.17-1",
        "CVE-2024-1000 2:2.03.17-1",
    ),
    # Rebuilds of binary packages.
    (
        f"pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1+b1?{D12} from zlib@1:1.2.13.dfsg-1",
        "CVE-2024-1000: Debian:12 zlib <1:1.2.13.dfsg-1",
        "none",
    ),
    (
        f"pkg:deb/debian/bash@5.2.15-2+b7?{D12}",
        "CVE-2024-1000: Debian:12 bash <5.2.15-2+deb12u1",
        "CVE-2024-1000 5.2.15-2+deb12u1",
    ),
    (
        f"pkg:deb/debian/bash@5.2.15-2+b7?{D12} from bash@5.2.15-2+b7",
        "CVE-2024-1000: Debian:12 bash =5.2.15-2",
        "CVE-2024-1000",
    ),
    # Signed kernels are built from another source package.
    (
        f"pkg:deb/debian/linux-image-6.1.0-18-amd64@6.1.76-1?{D12} from linux-signed-amd64@6.1.76+1",
        "CVE-2024-1000: Debian:12 linux <6.1.82-1",
        "CVE-2024-1000 6.1.82-1",
    ),
    (
        f"pkg:deb/debian/linux-image-6.1.0-18-amd64@6.1.82-1?{D12} from linux-signed-amd64@6.1.82+1",
        "CVE-2024-1000: Debian:12 linux <6.1.82-1",
        "none",
    ),
    # Epochs.
    (f"pkg:deb/debian/zlib1g@1.2.13-1?{D12}&epoch=1", "CVE-2024-1000: Debian:12 zlib1g <1:1.2.13-1", "none"),
    (
        f"pkg:deb/debian/zlib1g@1.2.13-1?{D12}",
        "CVE-2024-1000: Debian:12 zlib1g <1:1.2.13-1",
        "CVE-2024-1000 1:1.2.13-1",
    ),
    # Code names and rolling releases.
    ("pkg:deb/debian/bash@5.2-1?distro=bookworm", "CVE-2024-1000: Debian:12 bash <5.3", "CVE-2024-1000 5.3"),
    ("pkg:deb/debian/bash@5.2-1?distro=debian-sid", "CVE-2024-1000: Debian:sid bash <5.3", "CVE-2024-1000 5.3"),
    ("pkg:deb/debian/bash@5.2-1?distro=debian-forky", "CVE-2024-1000: Debian:14 bash <5.3", "CVE-2024-1000 5.3"),
    ("pkg:deb/debian/bash@5.2-1?distro=debian-12.5", "CVE-2024-1000: Debian:12 bash <5.3", "CVE-2024-1000 5.3"),
    # Several branches; the fix of another branch does not help.
    (
        f"pkg:deb/debian/bash@5.2-1?{D12}",
        "CVE-2024-1000: Debian:12 bash >=4.0,<4.4-5|>=5.0,<5.2-2",
        "CVE-2024-1000 5.2-2",
    ),
    (f"pkg:deb/debian/bash@4.4-5?{D12}", "CVE-2024-1000: Debian:12 bash >=4.0,<4.4-5|>=5.0,<5.2-2", "none"),
    (f"pkg:deb/debian/bash@1.0?{D12}", "CVE-2024-1000: Debian:12 bash <=1.0", "CVE-2024-1000"),
    (f"pkg:deb/debian/bash@1.0+really0.9?{D12}", "CVE-2024-1000: Debian:12 bash <=1.0", "none"),
    (f"pkg:deb/debian/bash@1.0?{D12}", "CVE-2024-1000: Debian:12 bash <0", "none"),
)

UBUNTU = (
    (
        f"pkg:deb/ubuntu/curl@7.81.0-1ubuntu1.14?{U22}",
        "UBUNTU-CVE-2024-1000: Ubuntu:22.04:LTS curl <7.81.0-1ubuntu1.15",
        "CVE-2024-1000 7.81.0-1ubuntu1.15",
    ),
    (
        f"pkg:deb/ubuntu/curl@7.81.0-1ubuntu1.15?{U22}",
        "UBUNTU-CVE-2024-1000: Ubuntu:22.04:LTS curl <7.81.0-1ubuntu1.15",
        "none",
    ),
    (
        f"pkg:deb/ubuntu/curl@7.81.0-1ubuntu1.14?{U22}",
        "UBUNTU-CVE-2024-1000: Ubuntu:24.04:LTS curl <8.5.0-2",
        "? no data",
    ),
    (f"pkg:deb/ubuntu/curl@7.81.0-1ubuntu1.14?{U22}", "UBUNTU-CVE-2024-1000: Ubuntu:22.04 curl <8", "CVE-2024-1000 8"),
    (
        "pkg:deb/ubuntu/curl@8.12.1-3?distro=ubuntu-25.04",
        "UBUNTU-CVE-2024-1000: Ubuntu:25.04 curl <8.12.1-3ubuntu1",
        "CVE-2024-1000 8.12.1-3ubuntu1",
    ),
    ("pkg:deb/ubuntu/curl@8.12.1-3?distro=noble", "UBUNTU-CVE-2024-1000: Ubuntu:24.04:LTS curl <9", "CVE-2024-1000 9"),
    (
        f"pkg:deb/ubuntu/linux-image-6.8.0-1010-aws@6.8.0-1010.10?{U24} from linux-signed-aws@6.8.0-1010.10",
        "UBUNTU-CVE-2024-1000: Ubuntu:24.04:LTS linux-aws <6.8.0-1011.11 & Ubuntu:24.04:LTS linux <6.8.0-40.40",
        "CVE-2024-1000 6.8.0-1011.11",
    ),
    # Ubuntu Pro: versions with +esm are compared with its records.
    (
        f"pkg:deb/ubuntu/tomcat9@9.0.58-1ubuntu0.1+esm1?{U22}",
        "UBUNTU-CVE-2024-1000: Ubuntu:Pro:22.04:LTS tomcat9 <9.0.58-1ubuntu0.1+esm2",
        "CVE-2024-1000 9.0.58-1ubuntu0.1+esm2",
    ),
    (
        f"pkg:deb/ubuntu/tomcat9@9.0.58-1ubuntu0.1+esm2?{U22}",
        "UBUNTU-CVE-2024-1000: Ubuntu:Pro:22.04:LTS tomcat9 <9.0.58-1ubuntu0.1+esm2 & Ubuntu:22.04:LTS tomcat9 all",
        "none",
    ),
    (
        f"pkg:deb/ubuntu/tomcat9@9.0.58-1ubuntu0.1?{U22}",
        (
            "UBUNTU-CVE-2024-1000: Ubuntu:Pro:22.04:LTS tomcat9 <9.0.58-1ubuntu0.1+esm2"
            " & Ubuntu:22.04:LTS tomcat9 <9.0.58-1ubuntu0.1"
        ),
        "none",
    ),
    (
        f"pkg:deb/ubuntu/tomcat9@9.0.58-1?{U22}",
        "UBUNTU-CVE-2024-1000: Ubuntu:Pro:22.04:LTS tomcat9 <9.0.58-1+esm2 & Ubuntu:22.04:LTS tomcat9 <9.0.58-2",
        "CVE-2024-1000 9.0.58-2",
    ),
    # Without another entry the package is affected, and the fix needs a subscription.
    (
        f"pkg:deb/ubuntu/tomcat9@9.0.58-1?{U22}",
        "UBUNTU-CVE-2024-1000: Ubuntu:Pro:22.04:LTS tomcat9 <9.0.58-1+esm2",
        "CVE-2024-1000 9.0.58-1+esm2",
    ),
    (
        f"pkg:deb/ubuntu/tomcat9@9.0.58-1?{U22}",
        "UBUNTU-CVE-2024-1000: Ubuntu:Pro:20.04:LTS tomcat9 <9.0.58-1+esm2",
        "? no data",
    ),
    # Records of FIPS builds are about FIPS builds only.
    (
        f"pkg:deb/ubuntu/openssl@3.0.2-0ubuntu1.10?{U22}",
        "UBUNTU-CVE-2024-1000: Ubuntu:Pro:FIPS-updates:22.04:LTS openssl <3.0.2-0ubuntu1.10+Fips1",
        "none",
    ),
    (
        f"pkg:deb/ubuntu/openssl@3.0.2-0ubuntu1.10+Fips1?{U22}",
        (
            "UBUNTU-CVE-2024-1000: Ubuntu:Pro:FIPS-updates:22.04:LTS openssl <3.0.2-0ubuntu1.12+Fips1"
            " & Ubuntu:22.04:LTS openssl <3.0.2-0ubuntu1.10"
        ),
        "CVE-2024-1000 3.0.2-0ubuntu1.12+Fips1",
    ),
    (
        f"pkg:deb/ubuntu/linux-libc-dev@6.8.0-40.40?{U24} from linux@6.8.0-40.40",
        "UBUNTU-CVE-2024-1000: Ubuntu:Pro:24.04:LTS:Realtime:Kernel linux <6.8.1-1",
        "none",
    ),
    (
        f"pkg:deb/ubuntu/linux-libc-dev@6.8.0-40.40?{U24} from linux@6.8.0-40.40",
        "UBUNTU-CVE-2024-1000: Ubuntu:24.04:LTS linux-realtime all",
        "none",
    ),
)

ALPINE = (
    (
        f"pkg:apk/alpine/libcrypto3@3.3.1-r0?{A320} from openssl@3.3.1-r0",
        "ALPINE-CVE-2024-1000: Alpine:v3.20 openssl <3.3.1-r1",
        "CVE-2024-1000 3.3.1-r1",
    ),
    (
        f"pkg:apk/alpine/libcrypto3@3.3.1-r1?{A320} from openssl@3.3.1-r1",
        "ALPINE-CVE-2024-1000: Alpine:v3.20 openssl <3.3.1-r1",
        "none",
    ),
    (
        f"pkg:apk/alpine/libcrypto3@3.3.1-r0?{A320} from openssl@3.3.1-r0",
        "ALPINE-CVE-2024-1000: Alpine:v3.19 openssl <3.3.1-r1",
        "? no data",
    ),
    (
        f"pkg:apk/alpine/libcrypto3@3.3.1-r0?{A320} from openssl@3.3.1-r0",
        "ALPINE-CVE-2024-1000: Alpine:v3.2 openssl <3.3.1-r1",
        "? no data",
    ),
    (
        f"pkg:apk/alpine/busybox@1.36.1-r29?{A320}",
        "ALPINE-CVE-2024-1000: Alpine:v3.20 busybox <1.36.1-r30",
        "CVE-2024-1000 1.36.1-r30",
    ),
    # The version 0 means that Alpine's package was never affected.
    (f"pkg:apk/alpine/busybox@1.36.1-r29?{A320}", "ALPINE-CVE-2024-1000: Alpine:v3.20 busybox <0", "none"),
    (f"pkg:apk/alpine/foo@1.2_rc1-r0?{A320}", "ALPINE-CVE-2024-1000: Alpine:v3.20 foo <1.2-r0", "CVE-2024-1000 1.2-r0"),
    (f"pkg:apk/alpine/foo@1.2_p1-r0?{A320}", "ALPINE-CVE-2024-1000: Alpine:v3.20 foo <1.2-r1", "none"),
    (f"pkg:apk/alpine/py3-pip@24.0-r2?{A320} from py3-pip@24.0-r2", "PYSEC-2024-1: PyPI pip <25", "? no data"),
    (
        "pkg:apk/alpine/busybox@1.37.0-r0?distro=alpine-edge",
        "ALPINE-CVE-2024-1000: Alpine:edge busybox <1.37.0-r1",
        "CVE-2024-1000 1.37.0-r1",
    ),
    (
        "pkg:apk/alpine/busybox@1.37.0-r0?distro=alpine-3.22.0_alpha20250108",
        "ALPINE-CVE-2024-1000: Alpine:v3.22 busybox <1.37.0-r1",
        "? no data",
    ),
    (
        "pkg:apk/alpine/busybox@1.37.0-r0?distro=alpine-3.22.0_alpha20250108",
        "ALPINE-CVE-2024-1000: Alpine:edge busybox <1.37.0-r1",
        "CVE-2024-1000 1.37.0-r1",
    ),
    (
        "pkg:apk/wolfi/libssl3@3.3.1-r0?distro=wolfi-20230201 from openssl@3.3.1-r0",
        "CGA-aaaa: Wolfi openssl <3.3.1-r1",
        "CGA-aaaa 3.3.1-r1",
    ),
    ("pkg:apk/wolfi/openssl@3.3.1-r0?distro=wolfi-20230201", "CGA-aaaa: Chainguard openssl <3.3.1-r1", "? no data"),
    (
        "pkg:apk/chainguard/openssl@3.3.1-r0?distro=chainguard-20230214",
        "CGA-aaaa: Wolfi openssl <3.3.1-r1 & Chainguard openssl <3.3.1-r1",
        "CGA-aaaa 3.3.1-r1",
    ),
    ("pkg:apk/wolfi/openssl@3.3.1-r0?distro=wolfi-20230201", "CVE-2024-1000: Alpine:v3.20 openssl all", "? no data"),
    ("pkg:apk/minimos/openssl@3.3.1-r0?distro=minimos-1", "MINI-aaaa: MinimOS openssl <3.3.1-r1", "MINI-aaaa 3.3.1-r1"),
    (
        "pkg:apk/alpaquita/openssl@3.3.1-r0?distro=alpaquita-23",
        "BELL-CVE-2024-1000: Alpaquita:23 openssl <3.3.1-r1",
        "CVE-2024-1000 3.3.1-r1",
    ),
    (
        "pkg:apk/alpaquita/openssl@3.3.1-r0?distro=alpaquita-23",
        "BELL-CVE-2024-1000: Alpaquita:stream openssl <3.3.1-r1",
        "? no data",
    ),
)

RPM = (
    (f"pkg:rpm/almalinux/bash@5.1.8-6.el9?{AL9}", "ALSA-1: AlmaLinux:9 bash <5.1.8-9.el9", "ALSA-1 5.1.8-9.el9"),
    (f"pkg:rpm/almalinux/bash@5.1.8-9.el9?{AL9}", "ALSA-1: AlmaLinux:9 bash <5.1.8-9.el9", "none"),
    (f"pkg:rpm/almalinux/bash@5.1.8-6.el9?{AL9}", "ALSA-1: AlmaLinux:8 bash <5.1.8-9.el9", "? no data"),
    # Epochs are qualifiers.
    (
        f"pkg:rpm/almalinux/bind-libs@9.16.23-18.el9?{AL9}&epoch=32",
        "ALSA-1: AlmaLinux:9 bind-libs <32:9.16.23-18.el9",
        "none",
    ),
    (
        f"pkg:rpm/almalinux/bind-libs@32:9.16.23-11.el9?{AL9}",
        "ALSA-1: AlmaLinux:9 bind-libs <32:9.16.23-18.el9",
        "ALSA-1 32:9.16.23-18.el9",
    ),
    (
        f"pkg:rpm/almalinux/bind-libs@9.16.23-18.el9?{AL9}",
        "ALSA-1: AlmaLinux:9 bind-libs <32:9.16.23-18.el9",
        "ALSA-1 32:9.16.23-18.el9",
    ),
    (
        f"pkg:rpm/redhat/openssl-libs@3.0.7-27.el9?{R9}&epoch=1",
        "RHSA-1: Red~Hat:enterprise_linux:9::baseos openssl-libs <1:3.0.7-28.el9",
        "RHSA-1 1:3.0.7-28.el9",
    ),
    (
        f"pkg:rpm/redhat/zlib@1.2.11-40.el9?{R9}",
        "RHSA-1: Red~Hat:enterprise_linux:9::baseos zlib <0:1.2.11-40.el9",
        "none",
    ),
    # Source packages have no epoch in their file name: the record's applies.
    (
        "pkg:rpm/rocky/perl-Errno@1.30-481.el9?distro=rocky-9.4 from perl@5.32.1-481.el9",
        "RLSA-1: Rocky~Linux:9 perl <4:5.32.1-480.el9",
        "none",
    ),
    (
        "pkg:rpm/rocky/perl-Errno@1.30-480.el9?distro=rocky-9.4 from perl@5.32.1-480.el9",
        "RLSA-1: Rocky~Linux:9 perl <4:5.32.1-481.el9",
        "RLSA-1 4:5.32.1-481.el9",
    ),
    (
        "pkg:rpm/rocky/openssl-libs@3.0.7-27.el9?distro=rocky-9.4&epoch=1 from openssl@3.0.7-27.el9",
        "RLSA-1: Rocky~Linux:9 openssl <1:3.0.7-28.el9",
        "RLSA-1 1:3.0.7-28.el9",
    ),
    (
        "pkg:rpm/rocky/openssl-libs@3.0.7-27.el9?distro=rocky-9.4&epoch=1&upstream=openssl-3.0.7-27.el9.src.rpm",
        "RLSA-1: Rocky~Linux:9 openssl <1:3.0.7-27.el9",
        "none",
    ),
    # The entry of the binary package counts, if the record has both.
    (
        f"pkg:rpm/almalinux/npm@8.19.4-1.16.20.2.8.el9_4?{AL9}&epoch=1 from nodejs@16.20.2-8.el9_4",
        "ALSA-1: AlmaLinux:9 nodejs <1:16.20.2-9.el9_4 & AlmaLinux:9 npm <1:8.19.4-1.16.20.2.8.el9_4",
        "none",
    ),
    # Red Hat: the main stream of the major version only.
    (
        f"pkg:rpm/redhat/bash@5.1.8-6.el9?{R9}",
        "RHSA-1: Red~Hat:enterprise_linux:9::appstream bash <5.1.8-9.el9",
        "RHSA-1 5.1.8-9.el9",
    ),
    (
        f"pkg:rpm/redhat/bash@5.1.8-6.el9?{R9}",
        "RHSA-1: Red~Hat:enterprise_linux:8::baseos bash <5.1.8-9.el9",
        "? no data",
    ),
    (f"pkg:rpm/redhat/bash@5.1.8-6.el9?{R9}", "RHSA-1: Red~Hat:rhel_eus:9.2::baseos bash <5.1.8-9.el9", "? no data"),
    (f"pkg:rpm/redhat/bash@5.1.8-6.el9?{R9}", "RHSA-1: Red~Hat:openshift:4.15::el9 bash <5.1.8-9.el9", "? no data"),
    (
        "pkg:rpm/redhat/bash@5.2-1.el10?distro=rhel-10.0",
        "RHSA-1: Red~Hat:enterprise_linux:10.0 bash <5.2-2.el10",
        "RHSA-1 5.2-2.el10",
    ),
    (f"pkg:rpm/redhat/bash@5.1.8-6.el9?{R9}", "RHSA-1: Red~Hat:enterprise_linux:90::baseos bash all", "? no data"),
    # SUSE lists base packages under the module that ships them.
    (
        "pkg:rpm/suse/libopenssl3@3.0.8-150500.5.1?distro=sles-15.5 from openssl-3@3.0.8-150500.5.1",
        "SUSE-SU-1: SUSE:Linux~Enterprise~Module~for~Basesystem~15~SP5 openssl-3 <3.0.8-150500.5.2",
        "SUSE-SU-1 3.0.8-150500.5.2",
    ),
    (
        "pkg:rpm/suse/libopenssl3@3.0.8-150500.5.1?distro=sles-15.5 from openssl-3@3.0.8-150500.5.1",
        "SUSE-SU-1: SUSE:Linux~Enterprise~Server~15~SP5-LTSS openssl-3 <3.0.8-150500.5.2",
        "SUSE-SU-1 3.0.8-150500.5.2",
    ),
    (
        "pkg:rpm/suse/libopenssl3@3.0.8-150500.5.1?distro=sles-15.5 from openssl-3@3.0.8-150500.5.1",
        "SUSE-SU-1: SUSE:Linux~Enterprise~Module~for~Basesystem~15~SP6 openssl-3 all",
        "? no data",
    ),
    (
        "pkg:rpm/suse/libopenssl3@3.0.8-150500.5.1?distro=sles-15.5 from openssl-3@3.0.8-150500.5.1",
        "SUSE-SU-1: SUSE:Linux~Enterprise~Micro~15~SP5 openssl-3 all",
        "? no data",
    ),
    ("pkg:rpm/suse/curl@8.0-1?distro=sles-15", "SUSE-SU-1: SUSE:Linux~Enterprise~Server~15~SP1 curl all", "? no data"),
    (
        "pkg:rpm/suse/curl@8.0-1?distro=sles-12.5",
        "SUSE-SU-1: SUSE:Linux~Enterprise~Server~LTSS~Extended~Security~12~SP5 curl <8.0-2",
        "SUSE-SU-1 8.0-2",
    ),
    (
        "pkg:rpm/opensuse/curl@8.0-1?distro=opensuse-leap-15.6",
        "openSUSE-SU-1: openSUSE:Leap~15.6 curl <8.0-2",
        "openSUSE-SU-1 8.0-2",
    ),
    (
        "pkg:rpm/opensuse/curl@8.0-1?distro=opensuse-leap-15.6",
        "openSUSE-SU-1: openSUSE:Tumbleweed curl <8.0-2",
        "? no data",
    ),
    (
        "pkg:rpm/opensuse/curl@8.0-1?distro=opensuse-tumbleweed-20240801",
        "openSUSE-SU-1: openSUSE:Tumbleweed curl <8.0-2",
        "openSUSE-SU-1 8.0-2",
    ),
    # Others.
    ("pkg:rpm/mageia/curl@8.0-1.mga9?distro=mageia-9", "MGASA-1: Mageia:9 curl <8.0-1.1.mga9", "MGASA-1 8.0-1.1.mga9"),
    (
        "pkg:rpm/azurelinux/curl@8.8.0-1.azl3?distro=azurelinux-3.0",
        "AZL-1: Azure~Linux:3 curl <8.8.0-2.azl3",
        "AZL-1 8.8.0-2.azl3",
    ),
    (
        "pkg:rpm/mariner/curl@8.8.0-1.cm2?distro=mariner-2.0",
        "AZL-1: Azure~Linux:2 curl <8.8.0-2.cm2",
        "AZL-1 8.8.0-2.cm2",
    ),
    (
        "pkg:rpm/photon/curl@8.7.1-1.ph5?distro=photon-5.0",
        "PHSA-1: Photon~OS:5.0 curl <8.7.1-2.ph5",
        "PHSA-1 8.7.1-2.ph5",
    ),
    (
        "pkg:rpm/openeuler/curl@8.4.0-1.oe2403?distro=openeuler-24.03",
        "OESA-1: openEuler:24.03-LTS curl <8.4.0-2.oe2403",
        "OESA-1 8.4.0-2.oe2403",
    ),
    (
        "pkg:rpm/openeuler/curl@8.4.0-1.oe2403?distro=openeuler-24.03",
        "OESA-1: openEuler:22.03-LTS curl all",
        "? no data",
    ),
    (
        "pkg:rpm/almalinux/kernel@5.14.0-427.el9?distro=almalinux-9.4",
        "ALSA-1: AlmaLinux:9 kernel-rt <5.14.0-500.el9",
        "none",
    ),
    # Flavours of Oracle Linux.
    (
        "pkg:rpm/ol/glibc@2.34-100.0.1.ksplice1.el9?distro=ol-9.4&epoch=2",
        "ELSA-1: Oracle~Linux:9 glibc <2.34-125.el9",
        "none",
    ),
    (
        "pkg:rpm/ol/glibc@2.34-100.0.1.el9?distro=ol-9.4",
        "ELSA-1: Oracle~Linux:9 glibc <2:2.34-125.0.1.ksplice1.el9",
        "none",
    ),
    (
        "pkg:rpm/ol/glibc@2.34-100.0.1.ksplice1.el9?distro=ol-9.4&epoch=2",
        "ELSA-1: Oracle~Linux:9 glibc <2:2.34-125.0.1.ksplice1.el9",
        "ELSA-1 2:2.34-125.0.1.ksplice1.el9",
    ),
    (
        "pkg:rpm/ol/glibc@2.34-100.0.1.el9?distro=ol-9.4",
        "ELSA-1: Oracle~Linux:9 glibc <2.34-125.el9",
        "ELSA-1 2.34-125.el9",
    ),
    # Conventions of other tools.
    ("pkg:rpm/alma/bash@5.1.8-6.el9?distro=alma-9.4", "ALSA-1: AlmaLinux:9 bash <5.1.8-9.el9", "ALSA-1 5.1.8-9.el9"),
    (
        "pkg:rpm/redhat/bash@5.1.8-6.el9?distro=redhat-9.4",
        "RHSA-1: Red~Hat:enterprise_linux:9::baseos bash <5.1.8-9.el9",
        "RHSA-1 5.1.8-9.el9",
    ),
    ("pkg:rpm/suse/bash@4-1?distro=15.5", "SUSE-SU-1: SUSE:Linux~Enterprise~Server~15~SP5 bash <4-2", "SUSE-SU-1 4-2"),
    (
        "pkg:rpm/opensuse/bash@4-1?distro=opensuse.leap-15.6",
        "openSUSE-SU-1: openSUSE:Leap~15.6 bash <4-2",
        "openSUSE-SU-1 4-2",
    ),
    ("pkg:rpm/rocky/bash@4-1?distro=rocky-9.4&arch=x86_64", "RLSA-1: Rocky~Linux:9 bash <4-2", "RLSA-1 4-2"),
    # Tilde and caret.
    (f"pkg:rpm/almalinux/foo@1.0~rc1-1.el9?{AL9}", "ALSA-1: AlmaLinux:9 foo <1.0-1.el9", "ALSA-1 1.0-1.el9"),
    (f"pkg:rpm/almalinux/foo@1.0^git1-1.el9?{AL9}", "ALSA-1: AlmaLinux:9 foo <1.0-2.el9", "none"),
    (
        f"pkg:rpm/almalinux/ImageMagick@6.9.10-1.el9?{AL9}",
        "ALSA-1: AlmaLinux:9 ImageMagick <6.9.12-1.el9",
        "ALSA-1 6.9.12-1.el9",
    ),
)

OLD = "16.20.2-3.module_el8.8.0+3611+a2d9d0a9"
MODULES = (
    (
        f"pkg:rpm/almalinux/nodejs@{OLD}?{AL8}&epoch=1&rpmmod=nodejs:16:8080020230908:4a7e",
        "nodejs:16",
        "<1:16.20.2-4.module_el8.9.0+3735+1f",
        "ALSA-1 1:16.20.2-4.module_el8.9.0+3735+1f",
    ),
    (
        f"pkg:rpm/almalinux/nodejs@{OLD}?{AL8}&epoch=1&rpmmod=nodejs:16:8080020230908:4a7e",
        "nodejs:18",
        "<1:18.20.2-1.module_el8.9.0+3735+1f",
        "none",
    ),
    (
        f"pkg:rpm/almalinux/nodejs@{OLD}?{AL8}&epoch=1&modularitylabel=nodejs:16:8080020230908:4a7e",
        "nodejs:18",
        "<1:18.20.2-1.module_el8.9.0+3735+1f",
        "none",
    ),
    (f"pkg:rpm/almalinux/nodejs@{OLD}?{AL8}&epoch=1", "nodejs:18", "<1:18.20.2-1.module_el8.9.0+3735+1f", "none"),
    (
        f"pkg:rpm/almalinux/nodejs@{OLD}?{AL8}&epoch=1",
        "nodejs:16",
        "<1:16.20.2-4.module_el8.9.0+3735+1f",
        "ALSA-1 1:16.20.2-4.module_el8.9.0+3735+1f",
    ),
    (
        f"pkg:rpm/almalinux/nodejs@16.20.2-1.el8?{AL8}&epoch=1",
        "nodejs:16",
        "<1:16.20.2-4.module_el8.9.0+3735+1f",
        "none",
    ),
    (
        f"pkg:rpm/almalinux/nodejs@{OLD}?{AL8}&epoch=1&rpmmod=nodejs:16:8080020230908:4a7e",
        "nodejs",
        "<1:16.20.2-4.el8",
        "none",
    ),
    (f"pkg:rpm/almalinux/nodejs@16.20.2-1.el8?{AL8}&epoch=1", "nodejs", "<1:16.20.2-4.el8", "ALSA-1 1:16.20.2-4.el8"),
    # The title of an ordinary package may look like a stream.
    (f"pkg:rpm/almalinux/nodejs@4.18.0-1.el8?{AL8}", "kernel:4.18.0", "<4.18.0-2.el8", "ALSA-1 4.18.0-2.el8"),
    (
        f"pkg:rpm/almalinux/nodejs@3.9.1-1.module_el8.6.0+2780+1?{AL8}&rpmmod=python39-devel:3.9:8060:1",
        "python39:3.9 and python39-devel:3.9",
        "<3.9.2-1.module_el8.7.0+1+1",
        "ALSA-1 3.9.2-1.module_el8.7.0+1+1",
    ),
)
