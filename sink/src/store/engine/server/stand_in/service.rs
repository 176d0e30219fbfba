//! The server's services, call by call.

use std::pin::Pin;

use tonic::body::Body;
use tonic::codegen::{Context, Poll, Service as CallService, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::super::proto::*;
use super::Service;

/// The calls of one of the server's services.
macro_rules! service {
    ($service:ident, $name:literal, $($call:literal: $request:ty => $response:ty, $work:ident;)*) => {
        #[derive(Clone)]
        pub(super) struct $service(pub(super) Service);

        impl NamedService for $service {
            const NAME: &'static str = $name;
        }

        impl CallService<http::Request<Body>> for $service {
            type Response = http::Response<Body>;
            type Error = std::convert::Infallible;
            type Future = Boxed<Result<Self::Response, Self::Error>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<Body>) -> Self::Future {
                let service = self.0.clone();
                Box::pin(async move {
                    $(if request.uri().path() == concat!("/", $name, "/", $call) {
                        struct Call(Service);
                        impl UnaryService<$request> for Call {
                            type Response = $response;
                            type Future = Boxed<Result<Response<$response>, Status>>;

                            fn call(&mut self, request: Request<$request>) -> Self::Future {
                                let service = self.0.clone();
                                Box::pin(async move {
                                    let effect = service.begin(stringify!($work), &request).await?;
                                    let mut state = service.0.lock().unwrap();
                                    state.$work(request.into_inner(), &effect).map(Response::new)
                                })
                            }
                        }
                        let mut grpc = Grpc::new(ProstCodec::default());
                        return Ok(grpc.unary(Call(service), request).await);
                    })*
                    Ok(Status::unimplemented(request.uri().path().to_owned()).into_http())
                })
            }
        }
    };
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

service! {
    PointCalls, "qdrant.Points",
    "Upsert": UpsertPoints => PointsOperationResponse, upsert;
    "Delete": DeletePoints => PointsOperationResponse, delete;
    "Get": GetPoints => GetResponse, get;
    "SetPayload": SetPayloadPoints => PointsOperationResponse, set_payload;
    "CreateFieldIndex": CreateFieldIndexCollection => PointsOperationResponse, create_field_index;
    "Scroll": ScrollPoints => ScrollResponse, scroll;
    "Count": CountPoints => CountResponse, count;
    "Query": QueryPoints => QueryResponse, query;
}

service! {
    HealthCalls, "qdrant.Qdrant",
    "HealthCheck": HealthCheckRequest => HealthCheckReply, health_check;
}

service! {
    CollectionCalls, "qdrant.Collections",
    "Get": GetCollectionInfoRequest => GetCollectionInfoResponse, collection;
    "Create": CreateCollection => CollectionOperationResponse, create;
    "Delete": DeleteCollection => CollectionOperationResponse, delete_collection;
    "UpdateAliases": ChangeAliases => CollectionOperationResponse, update_aliases;
    "ListAliases": ListAliasesRequest => ListAliasesResponse, list_aliases;
}
