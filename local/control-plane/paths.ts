/** Valmi's API. */
export const BASE_PATH = "/api/v1";
/** Routes for whoever runs the server. */
export const LOCAL_PATH = "/_local";
/** Where the fault `redirect` sends a client. */
export const REDIRECT_TARGET = `${LOCAL_PATH}/redirect-target`;
