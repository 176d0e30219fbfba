//! Qdrant's interface as its own client library has it, and which call each request is for.

pub(super) use ::qdrant_client::qdrant::*;

use ::qdrant_client::qdrant::qdrant_client::QdrantClient;
use collections_client::CollectionsClient;
use points_client::PointsClient;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

/// Largest answer that is read.
const MOST_ANSWER_BYTES: usize = 64 << 20;

/// A request of the interface.
pub(super) trait Call: Clone + Send + Sync + 'static {
    /// What the server answers it with.
    type Answer: Send;

    /// Makes the call, once.
    fn send(
        channel: Channel,
        request: Request<Self>,
    ) -> impl Future<Output = Result<Response<Self::Answer>, Status>> + Send;
}

macro_rules! calls {
    ($client:ident, $($request:ident => $answer:ident, $call:ident;)*) => {
        $(impl Call for $request {
            type Answer = $answer;

            async fn send(
                channel: Channel,
                request: Request<Self>,
            ) -> Result<Response<$answer>, Status> {
                let mut client =
                    $client::new(channel).max_decoding_message_size(MOST_ANSWER_BYTES);
                client.$call(request).await
            }
        })*
    };
}

calls! {
    PointsClient,
    UpsertPoints => PointsOperationResponse, upsert;
    DeletePoints => PointsOperationResponse, delete;
    GetPoints => GetResponse, get;
    SetPayloadPoints => PointsOperationResponse, set_payload;
    CreateFieldIndexCollection => PointsOperationResponse, create_field_index;
    ScrollPoints => ScrollResponse, scroll;
    CountPoints => CountResponse, count;
    QueryPoints => QueryResponse, query;
}

calls! {
    QdrantClient,
    HealthCheckRequest => HealthCheckReply, health_check;
}

calls! {
    CollectionsClient,
    GetCollectionInfoRequest => GetCollectionInfoResponse, get;
    CreateCollection => CollectionOperationResponse, create;
    DeleteCollection => CollectionOperationResponse, delete;
    ChangeAliases => CollectionOperationResponse, update_aliases;
    ListAliasesRequest => ListAliasesResponse, list_aliases;
}
