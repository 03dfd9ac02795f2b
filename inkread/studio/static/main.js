// Which view is shown, by the address: #/ is the library, #/ID/3 the third page of a document, #/pad the pad.

import { $ } from "./dom.js";
import * as library from "./library.js";
import * as pad from "./pad.js";
import * as page from "./page.js";

async function route() {
  const [, id, number, search] = /^#\/(\w+)\/(\d+)(?:\?(.*))?$/.exec(location.hash) || [];
  await page.hide();
  library.hide();
  const writing = location.hash === "#/pad";
  $("library").hidden = Boolean(id) || writing;
  $("pad").hidden = !writing;
  $("page").hidden = !id;
  if (id) page.show(id, Number(number), search ? decodeURIComponent(search) : "");
  else if (writing) pad.show();
  else library.show();
}

library.start();
page.start();
pad.start();
addEventListener("hashchange", route);
route();
