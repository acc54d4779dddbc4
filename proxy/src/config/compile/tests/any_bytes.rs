//! Whatever bytes come, there is an answer.

use proptest::prelude::*;
use prost::Message as _;

use crate::{
    config::{
        compile::{assignment, cluster, listener, route_table},
        test_util::{eds_cluster, endpoints, http_listener, table_to, virtual_outbound},
    },
    kind::Kind,
    tables::Patterns,
};

fn seeds() -> Vec<Vec<u8>> {
    vec![
        http_listener("l", 80, "80").encode_to_vec(),
        virtual_outbound("c").encode_to_vec(),
        eds_cluster("c").encode_to_vec(),
        endpoints("c", &[([10, 0, 0, 1], 80).into()]).encode_to_vec(),
        table_to("80", "c").encode_to_vec(),
        Vec::new(),
    ]
}

proptest! {
    #[test]
    fn every_resource_is_compiled_or_refused(
        seed in prop::sample::select(seeds()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        end in any::<prop::sample::Index>(),
        more in prop::collection::vec(any::<u8>(), 0..16),
    ) {
        let mut bytes = seed;
        for (place, byte) in changes {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
        }
        bytes.truncate(end.index(bytes.len() + 1));
        bytes.extend(more);
        for name in ["l", "c", "80", "virtualOutbound", ""] {
            let _ = listener(Kind::Sidecar, &Patterns::default(), name, &bytes);
            let _ = listener(Kind::Gateway, &Patterns::default(), name, &bytes);
            let _ = cluster(name, &bytes);
            let _ = assignment(name, &bytes);
            let _ = route_table(&Patterns::default(), name, &bytes, None);
        }
    }
}
