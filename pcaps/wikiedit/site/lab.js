// Stands for Wikimedia's event beacons, statsv, and hCaptcha for people who are not logged in.
( () => {
	const intake = 'https://intake-analytics.wikimedia.org/v1/events?hasty=true';
	const normal = () => Math.sqrt( -2 * Math.log( 1 - Math.random() ) ) * Math.cos( 2 * Math.PI * Math.random() );
	const text = ( n ) => { let s = ''; while ( s.length < n ) { s += Math.random().toString( 36 ).slice( 2 ) + ' '; } return s.slice( 0, n ); };
	const beacon = ( why ) => navigator.sendBeacon( intake, JSON.stringify( { why, text: text( Math.min( 8000, Math.max( 900, 2400 * Math.exp( 0.6 * normal() ) ) ) ) } ) );
	addEventListener( 'load', () => {
		if ( Math.random() < 0.5 ) { setTimeout( () => beacon( 'load' ), 300 + 1500 * Math.random() ); }
		if ( Math.random() < 0.5 ) { setTimeout( () => fetch( '/beacon/statsv?timing=' + Math.floor( 1e5 * Math.random() ) + 'ms' ), 200 + 900 * Math.random() ); }
	} );
	let scrolled = false;
	addEventListener( 'scroll', () => { if ( !scrolled ) { scrolled = true; if ( Math.random() < 0.2 ) { beacon( 'scroll' ); } } } );
	addEventListener( 'pagehide', () => { if ( Math.random() < 0.35 ) { beacon( 'end' ); } } );
	let asked = false;
	const captcha = () => {
		if ( asked || /enwikiUserName=/.test( document.cookie ) || ( window.mw && mw.config.get( 'wgUserName' ) ) || !localStorage.getItem( 'labCaptcha' ) ) { return; }
		asked = true;
		for ( const host of [ 'hcaptcha', 'assets-hcaptcha' ] ) {
			const script = document.createElement( 'script' );
			script.src = `https://${ host }.wikimedia.org/1/api.js`;
			document.head.append( script );
		}
		fetch( 'https://hcaptcha.wikimedia.org/checksiteconfig?v=' + text( 40 ), { method: 'POST', body: text( 300 ), mode: 'no-cors' } ).catch( () => {} );
		const form = document.getElementById( 'editform' );
		if ( form ) {
			const token = document.createElement( 'input' );
			Object.assign( token, { type: 'hidden', name: 'h-captcha-response', value: 'P1_' + text( 2100 ) } );
			form.append( token );
		}
	};
	document.addEventListener( 'focusin', ( e ) => { if ( e.target.closest && e.target.closest( '#editform, #userlogin2, .lab-mobile' ) ) { captcha(); } } );
	document.addEventListener( 'input', ( e ) => { if ( e.target.closest && e.target.closest( '#editform, #userlogin2, .lab-mobile' ) ) { captcha(); } } );
} )();
