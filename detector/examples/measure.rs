//! The numbers of this crate's documentation: time a stage, score thresholds, and what the motion
//! gate saves and misses. Needs GStreamer's `gst-launch-1.0` and one or more videos.
//!
//! ```text
//! measure times     LIBRARY MODEL_FOLDER VIDEO THREADS
//! measure threshold LIBRARY MODEL_FOLDER VIDEO JUDGE_FOLDER
//! measure gate      LIBRARY MODEL_FOLDER VIDEO FRAME_RATE
//! ```
#![expect(clippy::print_stdout, reason = "a measuring tool prints its table")]

use ndarray::ArrayView2;
use sightline_detector::{
    Color, Detection, Detector, GateOptions, MotionGate, Options, Planes, Provider,
};
use std::error::Error;
use std::io::{BufReader, Read};
use std::num::NonZeroUsize;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Frames of a video as I420, from a child process.
struct Frames {
    child: Child,
    output: BufReader<ChildStdout>,
    width: usize,
    height: usize,
    bytes: Vec<u8>,
}

impl Frames {
    fn open(video: &str) -> Outcome<Self> {
        let (width, height) = size_of(video)?;
        let pipeline = format!(
            "filesrc location={video} ! decodebin ! videoconvert ! video/x-raw,format=I420,width={width},height={height} ! videoconvert ! fdsink fd=1"
        );
        let mut child = Command::new("gst-launch-1.0")
            .arg("-q")
            .args(pipeline.split(' '))
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let bytes = vec![0; width * height * 3 / 2];
        Ok(Self {
            child,
            output,
            width,
            height,
            bytes,
        })
    }

    /// The next frame; sides are multiples of eight, so rows have no padding.
    fn next(&mut self) -> Outcome<Option<Planes<'_>>> {
        if self.output.read_exact(&mut self.bytes).is_err() {
            self.child.wait()?;
            return Ok(None);
        }
        let (y, chroma) = self.bytes.split_at(self.width * self.height);
        let (u, v) = chroma.split_at(chroma.len() / 2);
        let half = (self.height / 2, self.width / 2);
        Ok(Some(Planes::I420 {
            y: ArrayView2::from_shape((self.height, self.width), y)?,
            u: ArrayView2::from_shape(half, u)?,
            v: ArrayView2::from_shape(half, v)?,
            color: Color::default(),
        }))
    }
}

/// Width and height, from the caps that the launcher prints.
fn size_of(video: &str) -> Outcome<(usize, usize)> {
    let pipeline =
        format!("filesrc location={video} ! decodebin ! fakesink num-buffers=1 name=end");
    let output = Command::new("gst-launch-1.0")
        .arg("-v")
        .args(pipeline.split(' '))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let caps = text
        .lines()
        .rfind(|line| line.contains("end.GstPad:sink") && line.contains("video/x-raw"))
        .ok_or("no video")?;
    let number = |key: &str| -> Outcome<usize> {
        let start = caps.find(key).ok_or("no size")? + key.len();
        let digits: String = caps[start..]
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        Ok(digits.parse()?)
    };
    let size = (number("width=(int)")?, number("height=(int)")?);
    if size.0 % 8 != 0 || size.1 % 2 != 0 {
        return Err("sides must be multiples of 8 and 2".into());
    }
    Ok(size)
}

fn load(
    library: &ort::environment::Environment,
    folder: &str,
    threads: usize,
    threshold: Option<f32>,
) -> Outcome<Detector> {
    let options = Options {
        providers: vec![Provider::Cpu],
        intra_threads: NonZeroUsize::new(threads).ok_or("threads is 0")?,
        score_threshold: threshold,
        ..Options::default()
    };
    Ok(Detector::load(library, folder.as_ref(), &options)?)
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, library, model, video, last] = arguments.as_slice() else {
        return Err("usage: measure times|threshold|gate LIBRARY MODEL_FOLDER VIDEO THREADS|JUDGE_FOLDER|FRAME_RATE".into());
    };
    let environment = ort::init_from(library)?.build()?;
    match mode.as_str() {
        "times" => times(&mut load(&environment, model, last.parse()?, None)?, video),
        "threshold" => {
            let mut judged = load(&environment, model, 2, Some(0.4))?;
            let mut judge = load(&environment, last, 2, Some(0.4))?;
            threshold(&mut judged, &mut judge, video)
        }
        "gate" => gate(
            &mut load(&environment, model, 2, Some(0.6))?,
            video,
            last.parse()?,
        ),
        _ => Err("expected times, threshold or gate".into()),
    }
}

fn times(detector: &mut Detector, video: &str) -> Outcome<()> {
    let mut frames = Frames::open(video)?;
    let mut spent: [Vec<Duration>; 3] = Default::default();
    let (mut found, mut people) = (Vec::new(), 0);
    while let Some(picture) = frames.next()? {
        let start = Instant::now();
        detector.preprocess(&[picture])?;
        let preprocessed = Instant::now();
        detector.infer()?;
        let inferred = Instant::now();
        detector.decode(0, &mut found)?;
        people += found.len();
        let ends = [
            preprocessed - start,
            inferred - preprocessed,
            inferred.elapsed(),
        ];
        spent
            .iter_mut()
            .zip(ends)
            .for_each(|(all, one)| all.push(one));
    }
    let count = spent[0].len();
    println!(
        "{}: {count} frames, {:.2} people a frame",
        detector.model_id(),
        people as f64 / count as f64
    );
    for (stage, all) in ["preprocess", "infer", "decode"]
        .into_iter()
        .zip(&mut spent)
    {
        all.sort_unstable();
        let mean = all.iter().sum::<Duration>().as_secs_f64() * 1e3 / count as f64;
        let median = all[count / 2].as_secs_f64() * 1e3;
        let p99 = all[count * 99 / 100].as_secs_f64() * 1e3;
        println!("  {stage:10} median {median:7.3} ms, mean {mean:7.3} ms, p99 {p99:7.3} ms");
    }
    Ok(())
}

/// Pairs of detections of the two lists that overlap by half, best scores first, each used once.
fn matched(found: &[Detection], truth: &[Detection]) -> usize {
    let mut is_taken = vec![false; truth.len()];
    found
        .iter()
        .filter(|detection| {
            let best = (0..truth.len())
                .filter(|at| !is_taken[*at])
                .map(|at| (at, truth[at].bbox.iou(&detection.bbox)))
                .filter(|(_, iou)| *iou >= 0.5)
                .max_by(|a, b| a.1.total_cmp(&b.1));
            best.inspect(|(at, _)| is_taken[*at] = true).is_some()
        })
        .count()
}

fn threshold(judged: &mut Detector, judge: &mut Detector, video: &str) -> Outcome<()> {
    let mut frames = Frames::open(video)?;
    let mut all = Vec::new();
    while let Some(picture) = frames.next()? {
        all.push((
            judged.detect(&[picture])?.remove(0),
            judge.detect(&[picture])?.remove(0),
        ));
    }
    let above = |found: &[Detection], score: f32| -> Vec<Detection> {
        found.iter().copied().filter(|d| d.score >= score).collect()
    };
    println!(
        "truth: {} at 0.6 (recall) and at 0.4 (precision)",
        judge.model_id()
    );
    println!("score   boxes/frame  precision  recall      F1");
    for step in 0..=16 {
        let score = 0.4 + step as f32 * 0.025;
        let (mut boxes, mut right, mut people, mut seen) = (0, 0, 0, 0);
        for (found, truth) in &all {
            let found = above(found, score);
            let sure = above(truth, 0.6);
            boxes += found.len();
            right += matched(&found, truth);
            people += sure.len();
            seen += matched(&found, &sure);
        }
        let (precision, recall) = (
            right as f64 / f64::from(boxes.max(1) as u32),
            seen as f64 / people as f64,
        );
        let f1 = 2.0 * precision * recall / (precision + recall);
        println!(
            "{score:.3}   {:11.2}  {precision:9.3}  {recall:6.3}  {f1:6.3}",
            boxes as f64 / all.len() as f64
        );
    }
    Ok(())
}

fn gate(detector: &mut Detector, video: &str, frame_rate: f64) -> Outcome<()> {
    let mut frames = Frames::open(video)?;
    let mut all = Vec::new();
    let settings: Vec<GateOptions> = [2.0, 3.0, 4.0, 6.0]
        .into_iter()
        .map(|least_change_codes| GateOptions {
            least_change_codes,
            ..GateOptions::default()
        })
        .collect();
    let mut gates: Vec<_> = settings
        .iter()
        .map(|options| (MotionGate::new(*options), Vec::new(), Duration::ZERO))
        .collect();
    while let Some(picture) = frames.next()? {
        let luma = picture.luma().ok_or("no luma")?;
        let time_ns = (all.len() as f64 * 1e9 / frame_rate) as i64;
        for (gate, opened, spent) in &mut gates {
            let start = Instant::now();
            opened.push(gate.should_detect(luma, time_ns));
            *spent += start.elapsed();
        }
        all.push(detector.detect(&[picture])?.remove(0));
    }
    println!("{video}: {} frames", all.len());
    for (options, (_, opened, spent)) in settings.iter().zip(&gates) {
        let skipped = opened.iter().filter(|is_open| !**is_open).count();
        let (mut on_skipped, mut missed, mut last) = (0, 0, 0);
        for (at, is_open) in opened.iter().enumerate() {
            if *is_open {
                last = at;
            } else {
                on_skipped += all[at].len();
                missed += all[at].len() - matched(&all[at], &all[last]);
            }
        }
        println!(
            "  change {:.0} codes: skipped {skipped} ({:.1}%), detections on them {on_skipped}, without a counterpart in the last picture detected on {missed} of {} in all, {:.3} ms a frame",
            options.least_change_codes,
            100.0 * skipped as f64 / all.len() as f64,
            all.iter().map(Vec::len).sum::<usize>(),
            spent.as_secs_f64() * 1e3 / all.len() as f64,
        );
    }
    Ok(())
}
