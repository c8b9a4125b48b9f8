//! Perform: the request to the service, and what came of it.

use api::service::{Call, Found, Get, Scan, Service, Write};

use crate::command::reply::{self, Reply};
use crate::command::request::{Action, Request};
use crate::refused::Refused;

/// Asks `service` and puts its answer into the dialect's shape.
pub(crate) async fn perform<S: Service>(
    service: &S,
    call: Call,
    request: Request,
) -> Result<Reply, Refused> {
    let Request { collection, action, consistency, writes } = request;
    let failed = |failure| Refused::by_service(&failure, writes);
    match action {
        Action::Write(operation) => {
            // Clones share the bytes.
            let write = Write { collection: collection.clone(), operation: operation.clone() };
            let written = service.write(call, write).await.map_err(failed)?;
            reply::written(&collection, &operation, &written)
        }
        Action::Get { key } => {
            let get = Get { collection: collection.clone(), key, consistency };
            let found = service.get(call, get).await.map_err(failed)?;
            reply::found(&collection, &found)
        }
        Action::GetValue { key, value } => {
            let get = Get { collection: collection.clone(), key, consistency };
            let found = service.get(call, get).await.map_err(failed)?;
            match &found {
                Found { row: Some(row), .. } if row.value != value => Err(reply::conflict()),
                found => reply::found(&collection, found),
            }
        }
        Action::Scan { range, limit, cursor } => {
            let collection_name = collection.clone();
            let scan = Scan { collection, range, limit, cursor, consistency };
            let page = service.scan(call, scan).await.map_err(failed)?;
            reply::page(&collection_name, &page)
        }
        Action::Create => {
            let ran = service.create_collection(call, collection.clone()).await.map_err(failed)?;
            Ok(reply::catalogue(&collection, "created", ran))
        }
        Action::Drop => {
            let ran = service.drop_collection(call, collection.clone()).await.map_err(failed)?;
            Ok(reply::catalogue(&collection, "dropped", ran))
        }
        Action::List => {
            let names = service.list_collections(call).await.map_err(failed)?;
            Ok(reply::collections(&names))
        }
    }
}
