//! Bundles of datagrams: any bytes as one, and any batch to be planned.

use usrd_device::bundle::{OVERTAKING_DISTANCE, PIECE_BYTES, Planner, split, write};

/// Splits `bytes` as a bundle, and plans a batch of datagrams as long as they say.
///
/// # Panics
/// If a piece is not inside, if there is another way to write the same bundle, or if a batch does not
/// leave whole and nearly in order.
pub fn bundle(bytes: &[u8]) {
    if let Ok(pieces) = split(bytes) {
        let mut joined = vec![0; bytes.len()];
        let parts = pieces.map(|piece| {
            assert!(!piece.is_empty(), "a piece has bytes");
            [&bytes[piece], &[]]
        });
        assert_eq!(write(&mut joined, parts), bytes.len());
        assert_eq!(joined, bytes);
    }
    plan(bytes);
}

fn plan(bytes: &[u8]) {
    let Some((&limit, sizes)) = bytes.split_first() else {
        return;
    };
    let limit = 256 + usize::from(limit) * 16;
    // One in four is large.
    let size = |index: usize| (sizes[index] < 192).then_some(1 + usize::from(sizes[index]));
    let mut planner = Planner::new(limit);
    planner.plan(sizes.len(), size);
    let mut left = vec![false; sizes.len()];
    let mut highest = 0;
    for group in planner.groups() {
        assert!(!group.is_empty(), "somebody leaves");
        let mut bytes = 1;
        for &index in group {
            let index = usize::from(index);
            assert!(!std::mem::replace(&mut left[index], true), "{index} leaves once");
            highest = highest.max(index);
            assert!(highest - index < OVERTAKING_DISTANCE, "{index} is overtaken too far");
            bytes += PIECE_BYTES + if group.len() > 1 { size(index).expect("small") } else { 0 };
        }
        assert!(bytes <= limit || group.len() == 1, "a bundle of {bytes} bytes");
    }
    assert!(left.iter().all(|&left| left), "everybody leaves");
}
