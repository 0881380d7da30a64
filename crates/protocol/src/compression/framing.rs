//! What frames compressed blocks: constants of xerial's snappy stream and of the LZ4 frame.

/// A stream of snappy-java begins with it, then two versions of 4 bytes.
pub(super) const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Version, and the oldest version that can read it.
pub(super) const XERIAL_VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
/// Uncompressed bytes a block, as snappy-java writes.
pub(super) const XERIAL_BLOCK: usize = 32 * 1024;
