//! How the binary of the image is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    // Half a megabyte of relocations, in the file and in the memory of each proxy, becomes a few kilobytes. It takes
    // glibc 2.36 to run, which the image has, so `cargo build` without `--release` does without; and on arm64 a linker
    // that is newer than the image's.
    if is("PROFILE", "release")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && is("CARGO_CFG_TARGET_ARCH", "x86_64")
    {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
