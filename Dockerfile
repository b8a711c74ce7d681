#   docker build -t goldsmith .                         workers, console and commands
#   docker build -t goldsmith:guests --target guests .  the same, and able to look into guests' disks
#
# Which to take: docs/decisions/0032-two-container-images.md.

FROM swift:6.2-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libpq-dev librabbitmq-dev libsqlite3-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# By themselves, so that a change of the sources does not fetch them again.
COPY Package.swift ./
RUN swift package resolve
COPY . .
# With Swift's own libraries in it: what runs it needs no Swift.
RUN swift build -c release --static-swift-stdlib --product goldsmith \
    && install -D -s -m 0755 .build/release/goldsmith /out/usr/local/bin/goldsmith

FROM debian:12-slim AS base
# Versions are Debian 12's: an image that is built again has its security updates.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        ca-certificates curl e2fsprogs fdisk libpq5 librabbitmq4 libsqlite3-0 qemu-utils tzdata \
    && rm -rf /var/lib/apt/lists/*
# The folders are here so that a new volume mounted over them belongs to the user.
RUN groupadd --gid 10001 goldsmith \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/goldsmith --shell /usr/sbin/nologin goldsmith \
    && install -d -o goldsmith -g goldsmith -m 0700 \
        /var/lib/goldsmith /var/lib/goldsmith/instances \
        /srv/goldsmith/east /srv/goldsmith/east/images /srv/goldsmith/west /srv/goldsmith/west/images \
        /etc/goldsmith/console \
    && install -d -o goldsmith -g goldsmith -m 0755 /definitions \
    && install -o goldsmith -g goldsmith -m 0600 /dev/null /etc/goldsmith/console/users
COPY --chmod=0755 deploy/docker/goldsmith-health /usr/local/bin/
COPY --from=build /out/ /
ENV GOLDSMITH_DATA=/var/lib/goldsmith \
    GOLDSMITH_LOCATIONS=east=/srv/goldsmith/east/images,west=/srv/goldsmith/west/images
USER 10001:10001
WORKDIR /var/lib/goldsmith
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/goldsmith"]
CMD ["worker"]

FROM base AS guests
USER 0:0
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libguestfs-tools libguestfs-xfs linux-image-amd64 \
    && rm -rf /var/lib/apt/lists/* \
    && chmod 0644 /boot/vmlinuz-*
USER 10001:10001

# The last stage is what is built when none is named.
FROM base AS slim
ENV GOLDSMITH_GUEST_INSPECTION=off
