FROM rust:1-slim AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src ./src
RUN cargo build --release --locked

FROM debian:stable-slim
COPY --from=build /src/target/release/fanfare /usr/local/bin/fanfare
# A number, so that an orchestrator can see that it is not root. It needs no home and no entry in /etc/passwd.
RUN install -d -o 10001 -g 10001 /app
USER 10001:10001
# Relative paths and .env are looked for here: mount a folder, or set variables. The journal of webhooks is written here, so
# that what waits for a back end outlives the container only in a folder of the host or a volume.
WORKDIR /app
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["fanfare"]
CMD ["serve"]
