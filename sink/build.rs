//! Compiles our schemas in `proto/` to Rust, without `protoc`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(
        [
            "sightline/v1/event.proto",
            "sightline/v1/person.proto",
            "sightline/v1/backup.proto",
        ],
        ["proto"],
    )?;
    prost_build::Config::new()
        .bytes(["."])
        .boxed(".sightline.v1.PersonMessage.body.assigned")
        .compile_fds(files)?;
    Ok(())
}
