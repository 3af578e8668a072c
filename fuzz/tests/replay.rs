//! Every target on its corpus, and on random bytes.

use std::path::{Path, PathBuf};

use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use usrd_fuzz::{TARGETS, Target};

/// The corpus that fuzzing has found, and inputs that once failed.
#[test]
fn the_corpus_passes() {
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let mut inputs: Vec<PathBuf> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.expect("a readable folder").path())
            .collect();
        inputs.sort();
        assert!(inputs.len() >= 10, "{name} has a corpus");
        for input in inputs {
            let bytes = std::fs::read(&input).expect("a readable input");
            run(target, &bytes, &input.display().to_string());
        }
    }
}

#[test]
fn random_bytes_to_the_decoder_pass() {
    random("wire_decode", 200_000, 300);
}

#[test]
fn random_bundles_pass() {
    random("bundle", 100_000, 400);
}

#[test]
fn random_operations_on_endpoints_pass() {
    random("endpoint", 3_000, 1_500);
}

#[test]
fn random_operations_on_structures_pass() {
    random("structures", 2_000, 1_000);
}

fn random(name: &str, runs: u64, max_len: usize) {
    let (_, target) = TARGETS.into_iter().find(|target| target.0 == name).expect("a target");
    for seed in 0..runs {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let mut bytes = vec![0; rng.random_range(0..max_len)];
        rng.fill_bytes(&mut bytes);
        if name == "wire_decode" && !bytes.is_empty() {
            // The version that is spoken, and a kind that there is: the rest of the bytes matters.
            bytes[0] = 0x10 | rng.random_range(1..=6);
        }
        if name == "bundle" && seed % 2 == 0 && bytes.len() > 3 {
            // A bundle whose first length, at least, is right.
            bytes[0] = usrd_device::bundle::MARK;
            bytes[1] = 0;
            bytes[2] = rng.random_range(0..bytes.len() as u16) as u8;
        }
        run(target, &bytes, &format!("{name}, seed {seed}"));
    }
}

/// Says which input failed, as the target itself does not know.
fn run(target: Target, bytes: &[u8], what: &str) {
    if let Err(panic) = std::panic::catch_unwind(|| target(bytes)) {
        eprintln!("failed: {what}");
        std::panic::resume_unwind(panic);
    }
}
