FROM rust:1-slim AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src ./src
RUN cargo build --release --locked

FROM debian:stable-slim
COPY --from=build /src/target/release/fanfare /usr/local/bin/fanfare
# A number, so that an orchestrator can see that it is not root. It needs no home and no entry in /etc/passwd.
USER 10001:10001
# Relative paths and .env are looked for here: mount a folder, or set variables.
WORKDIR /app
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["fanfare"]
CMD ["serve"]
