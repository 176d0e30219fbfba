//! What a site taught, over the socket: the ways that people take, and what was said of pairs of tracks.

use serde::{Deserialize, Serialize};
use sightline_sink as sink;
use sink::persons::{Feedback, WalkingTime};

use crate::ask::PictureDigest;

/// Most pairs in one answer.
pub(crate) const MOST_PAIRS: usize = 1000;

/// `GET /v1/site`: what association learned.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SiteResponse {
    /// The ways between cameras, one for each direction in which somebody was joined.
    pub ways: Vec<WalkingTime>,
}

/// `GET /v1/feedback?after=N`: which pairs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedbackRequest {
    /// Pairs before this one, counted from 0 in the order in which they were said, are left out.
    #[serde(default)]
    pub after: usize,
}

/// What people said of pairs of tracks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FeedbackResponse {
    /// At most 1000, in the order in which they were said.
    pub pairs: Vec<FeedbackPair>,
    /// What to ask for next; null when these are the last.
    pub next: Option<usize>,
}

/// One pair of tracks, and what was said of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedbackPair {
    /// The tracks, the verdict, and what association thought until then.
    #[serde(flatten)]
    pub said: Feedback,
    /// Digests of their best pictures; null where one has none any more.
    pub pictures: [Option<String>; 2],
}

impl FeedbackResponse {
    /// The answer to a request, from what the store gave for it.
    pub(crate) fn of(request: FeedbackRequest, said: Vec<(Feedback, [Option<String>; 2])>) -> Self {
        let next = (said.len() == MOST_PAIRS).then_some(request.after + MOST_PAIRS);
        let pairs = said.into_iter().map(|(said, crops)| FeedbackPair {
            said,
            pictures: crops.map(|crop| digest(&crop?)),
        });
        Self {
            pairs: pairs.collect(),
            next,
        }
    }
}

/// The digest in a crop's name.
fn digest(name: &str) -> Option<String> {
    let stem = name.rsplit('/').next()?.split('.').next()?;
    PictureDigest::new(stem).is_ok().then(|| stem.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_full_names_the_next_one() {
        let pair = || {
            let track = |ordinal| sink::TrackId::derive("s", "c", 1, ordinal);
            let said = Feedback {
                tracks: [track(1), track(2)],
                verdict: sink::persons::Verdict::Same,
                cameras: ["a".into(), "b".into()],
                similarity: Some(0.5),
                was_same: false,
                at_ns: 1,
            };
            let name = format!("{}.jpg", "0a".repeat(32));
            (said, [Some(format!("0a/{name}")), Some("../x".into())])
        };
        let request = FeedbackRequest { after: 5 };
        let full = FeedbackResponse::of(request, (0..MOST_PAIRS).map(|_| pair()).collect());
        assert_eq!(full.next, Some(5 + MOST_PAIRS));
        assert_eq!(full.pairs[0].pictures, [Some("0a".repeat(32)), None]);
        assert_eq!(FeedbackResponse::of(request, vec![pair()]).next, None);
        let shown = serde_json::to_value(&full.pairs[0]).unwrap();
        assert_eq!(shown["verdict"], "same");
        assert!(shown["pictures"][1].is_null());
    }
}
