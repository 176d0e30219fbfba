//! Stand-in for the sink's track id until it is merged.
use uuid::Uuid;
/// A track's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(Uuid);
impl TrackId {
    /// UUIDv5 of site, camera, capture time of the first detection and ordinal on that frame.
    pub fn derive(site: &str, camera: &str, capture_ns: i64, ordinal: u32) -> Self {
        let name = format!(
            "{}:{site}{}:{camera}{capture_ns}:{ordinal}",
            site.len(),
            camera.len()
        );
        Self(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()))
    }
}
