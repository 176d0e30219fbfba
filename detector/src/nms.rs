//! Non-maximum suppression within the one class that matters here: person.

use crate::bbox::Detection;
use std::cmp::Ordering;

/// Candidates that enter suppression at most; a crowd has hundreds, a broken network thousands.
pub(crate) const MAX_CANDIDATES: usize = 1000;

/// Higher score first; equal scores by position, so that the outcome never depends on the sort.
pub(crate) fn by_score(a: &Detection, b: &Detection) -> Ordering {
    b.score
        .total_cmp(&a.score)
        .then(a.bbox.x0.total_cmp(&b.bbox.x0))
        .then(a.bbox.y0.total_cmp(&b.bbox.y0))
        .then(a.bbox.x1.total_cmp(&b.bbox.x1))
        .then(a.bbox.y1.total_cmp(&b.bbox.y1))
}

/// Keeps, from the highest score down, each detection that overlaps no kept one by more than `iou`.
///
/// Works in place from position `start` and leaves the survivors there in order of score. At most the
/// 1000 highest scores are looked at.
pub fn suppress(detections: &mut Vec<Detection>, start: usize, iou: f32) {
    let Some(tail) = detections.get_mut(start..) else {
        return;
    };
    tail.sort_unstable_by(by_score);
    detections.truncate(start + MAX_CANDIDATES);
    let mut kept = start;
    for index in start..detections.len() {
        let candidate = detections[index];
        let is_new = detections[start..kept]
            .iter()
            .all(|winner| winner.bbox.iou(&candidate.bbox) <= iou);
        if is_new {
            detections[kept] = candidate;
            kept += 1;
        }
    }
    detections.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbox::BBox;
    use proptest::prelude::*;

    fn detection(x0: f32, width: f32, score: f32) -> Detection {
        Detection {
            bbox: BBox::new(x0, 0.0, x0 + width, 10.0),
            score,
        }
    }

    #[test]
    fn the_higher_of_two_overlapping_detections_stays() {
        let mut found = vec![
            detection(0.0, 10.0, 0.6),
            detection(1.0, 10.0, 0.9),
            detection(50.0, 10.0, 0.7),
        ];
        suppress(&mut found, 0, 0.5);
        assert_eq!(
            found,
            [detection(1.0, 10.0, 0.9), detection(50.0, 10.0, 0.7)]
        );
    }

    #[test]
    fn what_lies_before_the_start_is_left_alone() {
        let mut found = vec![
            detection(0.0, 10.0, 0.1),
            detection(0.0, 10.0, 0.6),
            detection(0.0, 10.0, 0.7),
        ];
        suppress(&mut found, 1, 0.5);
        assert_eq!(
            found,
            [detection(0.0, 10.0, 0.1), detection(0.0, 10.0, 0.7)]
        );
        suppress(&mut found, 9, 0.5);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn boxes_without_length_do_not_suppress_each_other() {
        let mut found = vec![detection(5.0, 0.0, 0.6), detection(5.0, 0.0, 0.5)];
        suppress(&mut found, 0, 0.5);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_flood_of_candidates_is_bounded() {
        let mut found: Vec<_> = (0..5000)
            .map(|i| detection(i as f32 * 20.0, 10.0, 0.5))
            .collect();
        suppress(&mut found, 0, 0.5);
        assert_eq!(found.len(), MAX_CANDIDATES);
    }

    proptest! {
        #[test]
        fn survivors_are_sorted_apart_and_cover_the_rest(
            raw in prop::collection::vec((0.0f32..100.0, 0.0f32..100.0, 0.0f32..40.0, 0.0f32..40.0, 0.0f32..1.0), 0..40),
            iou in 0.0f32..1.0,
        ) {
            let all: Vec<_> = raw.iter().map(|(x, y, w, h, score)| Detection {
                bbox: BBox::new(*x, *y, x + w, y + h),
                score: *score,
            }).collect();
            let mut kept = all.clone();
            suppress(&mut kept, 0, iou);
            prop_assert!(kept.windows(2).all(|pair| pair[0].score >= pair[1].score));
            for (i, a) in kept.iter().enumerate() {
                prop_assert!(kept[..i].iter().all(|b| a.bbox.iou(&b.bbox) <= iou));
            }
            for lost in all.iter().filter(|d| !kept.contains(d)) {
                prop_assert!(kept.iter().any(|k| k.score >= lost.score && k.bbox.iou(&lost.bbox) > iou));
            }
        }
    }
}
