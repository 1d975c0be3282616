<?php
// The laboratory's wiki: one database under several of Wikimedia's names. Paths come from the environment.
$lab = getenv( 'LAB_FOLDER' );
$host = $_SERVER['HTTP_HOST'] ?? 'en.wikipedia.org';
$wgSitename = 'Wikipedia';
$wgServer = "https://$host";
$wgCanonicalServer = $wgServer;
$wgScriptPath = '/w';
$wgArticlePath = '/wiki/$1';
$wgUsePathInfo = true;
$wgDBtype = 'mysql';
$wgDBserver = "localhost:$lab/db.sock";
$wgDBname = 'wiki';
$wgDBuser = 'root';
$wgDBpassword = '';
$wgSecretKey = str_repeat( 'a1', 32 );
$wgUpgradeKey = '0123456789abcdef';
$wgLanguageCode = str_starts_with( $host, 'cy.' ) ? 'cy' : 'en';
$wgMainCacheType = CACHE_ACCEL;
$wgParserCacheType = CACHE_DB;
$wgSessionCacheType = CACHE_DB;
$wgMessageCacheType = CACHE_ACCEL;
$wgCacheDirectory = "$lab/cache";
$wgTmpDirectory = "$lab/tmp";
$wgUploadDirectory = "$lab/images";
$wgEnableUploads = true;
$wgCookiePrefix = 'enwiki';
$wgCookieSecure = true;
$wgJobRunRate = 0;
$wgDisableOutputCompression = true; // the front server does it, as production's does
$wgUseCdn = true;
$wgCdnServers = [];
$wgCdnMaxAge = 1209600;
$wgInternalServer = 'http://127.0.0.1:8081';
$wgEnableEmail = true;
$wgEmailAuthentication = false;
$wgAllowImageTag = true;
$wgRateLimits = [];
$wgPasswordAttemptThrottle = [];
$wgPasswordPolicy['policies']['default'] = [ 'MinimalPasswordLength' => [ 'value' => 1 ] ];
$wgPasswordPolicy['checks'] = array_intersect_key( $wgPasswordPolicy['checks'], $wgPasswordPolicy['policies']['default'] );
$wgAutoConfirmAge = 0;
$wgDefaultSkin = 'vector-2022';
$wgVectorDefaultSkinVersion = '2';
$wgGroupPermissions['sysop']['rollback'] = true;
$wgGroupPermissions['user']['rollback'] = true;
$wgShowExceptionDetails = true;
$wgAutoCreateTempUser['enabled'] = true;
wfLoadSkins( [ 'Vector', 'MinervaNeue' ] );
wfLoadExtensions( [ 'AbuseFilter', 'Cite', 'ConfirmEdit', 'ParserFunctions', 'TextExtracts', 'PageImages', 'TitleBlacklist',
	'VisualEditor', 'WikiEditor', 'TemplateData' ] );
$wgCaptchaTriggers = array_fill_keys( [ 'edit', 'create', 'sendemail', 'addurl', 'createaccount', 'badlogin' ], false );
$wgDefaultUserOptions['visualeditor-enable'] = 1;
$wgDefaultUserOptions['visualeditor-editor'] = 'wikitext';
$wgDefaultUserOptions['usebetatoolbar'] = 1;
$wgVisualEditorEnableDiffPage = false;
$wgVisualEditorUseSingleEditTab = false;
$wgVisualEditorShowBetaWelcome = false;
$wgGroupPermissions['user']['writeapi'] = true;
if ( str_starts_with( $host, 'en.m.' ) ) {
	$wgDefaultSkin = 'minerva';
}
$wgUploadPath = '/static';
$wgFileExtensions = [ 'png', 'jpg' ];
$wgVerifyMimeType = false;
require "$lab/site/truth.php";
