// Imitates MobileFrontend's source editor: text by the API, preview by a parse, saving by the API, then the page is loaded again.
window.labMobile = ( () => {
	let area, base, title, section;
	const api = async ( params, post ) => {
		const body = new URLSearchParams( { format: 'json', formatversion: '2', errorformat: 'html', errorlang: 'en', errorsuselocal: '1', ...params } );
		const answer = post ? await fetch( '/w/api.php', { method: 'POST', body } ) : await fetch( '/w/api.php?' + body );
		return answer.json();
	};
	return {
		async open( which ) {
			title = mw.config.get( 'wgPageName' );
			section = String( which );
			const got = await api( { action: 'query', prop: 'revisions|info', rvprop: 'content|timestamp', titles: title, rvsection: section, intestactions: 'edit', intestactionsdetail: 'full' } );
			const revision = got.query.pages[ 0 ].revisions[ 0 ];
			base = revision.timestamp;
			const box = document.createElement( 'div' );
			box.className = 'lab-mobile';
			area = document.createElement( 'textarea' );
			area.value = revision.content;
			box.append( area );
			document.body.prepend( box );
			area.focus();
			return true;
		},
		write( words ) { area.value += words; area.dispatchEvent( new Event( 'input', { bubbles: true } ) ); },
		preview( ) { return api( { action: 'parse', disableeditsection: 'true', pst: 'true', prop: 'text|sections', title, text: area.value, sectionpreview: 'true', useskin: 'minerva', mobileformat: 'true' }, true ); },
		cancel() { location.reload(); },
		async save( summary ) {
			const token = ( await api( { action: 'query', meta: 'tokens', type: 'csrf' } ) ).query.tokens.csrftoken;
			const params = { action: 'edit', title, section, text: area.value, summary, basetimestamp: base, starttimestamp: base, token, labmobile: '1' };
			const done = await api( params, true );
			setTimeout( () => { location.hash = ''; location.reload(); }, 10 + 40 * Math.random() );
			return done.edit ? done.edit.result : JSON.stringify( done );
		}
	};
} )();
