// Which view is shown, by the address: #/ is the library, #/ID/3 the third page of a document.

import { $ } from "./dom.js";
import * as library from "./library.js";
import * as page from "./page.js";

async function route() {
  const [, id, number, search] = /^#\/(\w+)\/(\d+)(?:\?(.*))?$/.exec(location.hash) || [];
  await page.hide();
  library.hide();
  $("library").hidden = Boolean(id);
  $("page").hidden = !id;
  if (id) page.show(id, Number(number), search ? decodeURIComponent(search) : "");
  else library.show();
}

library.start();
page.start();
addEventListener("hashchange", route);
route();
