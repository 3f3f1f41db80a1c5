// Starts Swagger UI on the document that the page's body names.
"use strict";

window.ui = SwaggerUIBundle({
  url: document.body.dataset.document,
  dom_id: "#docs",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
  displayRequestDuration: true,
  filter: true,
  showExtensions: false,
  tryItOutEnabled: true,
  validatorUrl: null,
});
