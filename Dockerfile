# On Alpine the compiler's own target is musl, so the binary is static and needs nothing beside it.
FROM rust:1-alpine AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src ./src
ENV CARGO_PROFILE_RELEASE_STRIP=symbols
RUN cargo build --release --locked && mkdir /app

FROM scratch
COPY --from=build /src/target/release/fanfare /usr/local/bin/fanfare
# For a NATS with TLS; whatever else speaks TLS has the public authorities with it.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# A number, so that an orchestrator can see that it is not root. It needs no home and no entry in /etc/passwd.
COPY --from=build --chown=10001:10001 /app /app
USER 10001:10001
# Relative paths and .env are looked for here: mount a folder, or set variables. The journal of webhooks is written here, so
# that what waits for a back end outlives the container only in a folder of the host or a volume.
WORKDIR /app
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s CMD ["/usr/local/bin/fanfare", "health"]
ENTRYPOINT ["/usr/local/bin/fanfare"]
CMD ["serve"]
