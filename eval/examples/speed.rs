//! Times reading and measuring of one sequence: `cargo run --release -p sightline-eval --example speed -- GT TRACKS [RUNS]`.

use std::path::PathBuf;
use std::time::Instant;

use sightline_eval::read::{read_ground_truth, read_tracks};
use sightline_eval::tracking::measure_sequence;

#[expect(clippy::print_stdout, reason = "its whole purpose")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let [truth, tracks] = [arguments.next(), arguments.next()].map(|path| path.map(PathBuf::from));
    let (Some(truth), Some(tracks)) = (truth, tracks) else {
        return Err("expected GT TRACKS [RUNS]".into());
    };
    let runs = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let mut best = [f64::INFINITY; 2];
    for _ in 0..runs {
        let start = Instant::now();
        let files = (read_ground_truth(&truth)?, read_tracks(&tracks)?);
        let read = start.elapsed().as_secs_f64();
        let scores = measure_sequence(&files.0, &files.1)?.scores();
        let measured = start.elapsed().as_secs_f64() - read;
        best = [best[0].min(read), best[1].min(measured)];
        println!(
            "read {read:.4} s, measured {measured:.4} s: HOTA {:.6} MOTA {:.6} IDF1 {:.6}",
            scores.hota, scores.mota, scores.idf1
        );
    }
    println!(
        "best: read {:.4} s, measured {:.4} s, both {:.4} s",
        best[0],
        best[1],
        best[0] + best[1]
    );
    Ok(())
}
